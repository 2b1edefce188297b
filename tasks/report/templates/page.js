const drawer = document.getElementById("drawer");
const edgeAt = new Map(DATA.edges.map((edge, i) => [edge.c + " " + edge.p, i]));
const graphs = [...document.querySelectorAll(".graph")];
const currentView = () => graphs.find((graph) => !graph.hidden);

const show = (content) => {
  drawer.replaceChildren(h("button", {type: "button", class: "button close", onclick: () => { history.pushState(null, "", "#graph"); select(); }}, "Close"),
    ...content.filter((part) => part != null));
  drawer.hidden = false;
  document.body.classList.add("with-drawer");
  drawer.scrollTop = 0;
};
// where a box stands: table index → [view, node]
const nodeOf = (graph, t) => DATA.views[graph.dataset.view].nodes.findIndex((members) => members.includes(t));
const hide = () => { drawer.hidden = true; document.body.classList.remove("with-drawer"); mark([]); };
const mark = (tables) => {
  for (const chosen of document.querySelectorAll(".chosen")) chosen.classList.remove("chosen");
  for (const graph of graphs) for (const t of tables) {
    const element = graph.querySelector('[data-node="' + nodeOf(graph, t) + '"]');
    if (!element) continue;
    element.classList.add("chosen");
    if (!graph.hidden) {
      const box = element.getBoundingClientRect(), frame = graph.getBoundingClientRect();
      if (box.top < frame.top || box.bottom > frame.bottom) graph.scrollTop += box.top - frame.top - 120;
      if (box.left < frame.left || box.right > frame.right) graph.scrollLeft += box.left - frame.left - 120;
    }
  }
};
const missing = (name) => [h("h2", {}, h("bdi", {}, name)), h("p", {}, "No evidence about this table or pair is kept in this report. Ask for it: ", h("code", {}, "lakebed explain"))];
const members = (t) => {
  for (const graph of graphs) { const at = nodeOf(graph, t); if (at >= 0) return DATA.views[graph.dataset.view].nodes[at]; }
  return [t];
};
const select = () => {
  const wanted = new Map(location.hash.slice(1).split("&").map((part) => part.split("=")).filter((pair) => pair.length === 2).map(([key, text]) => {
    try { return [key, decodeURIComponent(text)]; } catch { return [key, text]; }
  }));
  const [table, child, parent] = ["table", "child", "parent"].map((key) => BY_NAME.get(wanted.get(key)));
  if (wanted.has("table")) {
    if (table == null) { mark([]); show(missing(wanted.get("table"))); return; }
    show(tableEvidence(table, members(table)));
    mark([table]);
  } else if (wanted.has("child") && wanted.has("parent")) {
    const i = edgeAt.get(child + " " + parent);
    show(i == null ? missing(wanted.get("child") + " in " + wanted.get("parent")) : edgeEvidence(i));
    mark([child, parent].filter((t) => t != null));
    const row = document.querySelector('[data-edge="' + child + " " + parent + '"]');
    if (row) row.classList.add("chosen");
  } else hide();
};

const linkTarget = (graph, link) => {
  const {nodes, links} = DATA.views[graph.dataset.view], [parent, child] = links[link];
  for (const c of nodes[child]) for (const p of nodes[parent]) if (edgeAt.has(c + " " + p)) return edgeHash(c, p);
  return edgeHash(nodes[child][0], nodes[parent][0]);
};
const open = (graph, target) => {
  const node = target.closest("[data-node]"), link = target.closest("[data-link]");
  if (node) location.hash = tableHash(DATA.views[graph.dataset.view].nodes[node.dataset.node][0]);
  else if (link) location.hash = linkTarget(graph, Number(link.dataset.link));
};
const searchGraph = () => {
  const text = document.getElementById("graph-search").value.trim().toLowerCase();
  let first = true;
  for (const graph of graphs) DATA.views[graph.dataset.view].nodes.forEach((tables, n) => {
    const element = graph.querySelector('[data-node="' + n + '"]'), hit = !text || tables.some((t) => label(t).toLowerCase().includes(text));
    element.classList.toggle("dim", !hit);
    if (text && hit && first && !graph.hidden) { first = false; element.scrollIntoView({block: "nearest", inline: "nearest"}); }
  });
  for (const link of document.querySelectorAll(".link")) link.classList.toggle("dim", Boolean(text));
};
const showView = () => {
  const name = document.getElementById("show-coincidental").checked ? "all" : "telling";
  for (const graph of graphs) {
    graph.hidden = graph.dataset.view !== name;
    graph.classList.toggle("with-implied", document.getElementById("show-implied").checked);
  }
  document.getElementById("graph-count").textContent = currentView().dataset[document.getElementById("show-implied").checked ? "captionAll" : "caption"];
};
const startGraph = () => {
  if (!graphs.length) return;
  for (const graph of graphs) {
    graph.addEventListener("click", (event) => open(graph, event.target));
    graph.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(graph, event.target); } });
  }
  for (const id of ["show-coincidental", "show-implied"]) document.getElementById(id).addEventListener("input", showView);
  document.getElementById("graph-search").addEventListener("input", searchGraph);
  if (!DATA.views.telling.nodes.length) document.getElementById("show-coincidental").checked = true;
  showView();
};

const drawCharts = () => {
  const css = getComputedStyle(document.documentElement), color = (name) => css.getPropertyValue(name).trim();
  const font = getComputedStyle(document.body).fontFamily;
  const config = {
    background: null, font, view: {stroke: null}, bar: {color: color("--accent")}, text: {color: color("--ink"), fontSize: 12},
    axis: {labelColor: color("--soft"), titleColor: color("--soft"), gridColor: color("--line"), domain: false, ticks: false, labelFontSize: 12,
      titleFontSize: 11.5, titleFontWeight: "normal", labelPadding: 6},
    axisY: {grid: false, labelColor: color("--ink")}, axisX: {labelFontSize: 11},
  };
  for (const place of document.querySelectorAll("[data-chart]")) {
    const spec = {...CHARTS[place.dataset.chart], config, padding: 4, autosize: {type: "fit-x", contains: "padding"}};
    place.replaceChildren();
    new vega.View(vega.parse(vegaLite.compile(spec).spec), {renderer: "svg", container: place, hover: true}).runAsync();
  }
};
addEventListener("hashchange", select);
addEventListener("keydown", (event) => { if (event.key === "Escape" && !drawer.hidden) drawer.querySelector(".close").click(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
startTable();
startGraph();
select();
if (!drawer.hidden) document.getElementById("graph").scrollIntoView();
drawCharts();
