const PAGE = 100;
const view = {sort: "bytes", up: false, shown: PAGE};
const sortKey = {
  child: (e) => label(e.c), parent: (e) => label(e.p), rows: (e) => e.rows[0], bytes: (e) => DATA.tables[e.c].bytes,
  of: (e) => e.rows[3] ? e.rows[1] / e.rows[3] : 0, chance: (e) => e.chance == null ? 2 : e.chance,
};
const edgeRow = (edge) => {
  const row = h("tr", {class: "go", "data-edge": edge.c + " " + edge.p, onclick: (event) => {
    if (!event.target.closest("a")) location.hash = edgeHash(edge.c, edge.p);
  }},
    h("td", {class: "wrap"}, tableLink(edge.c)), h("td", {class: "wrap"}, tableLink(edge.p)),
    h("td", {class: "n"}, count(edge.rows[0])), h("td", {class: "n"}, size(DATA.tables[edge.c].bytes)),
    h("td", {class: "n"}, edge.rows[3] ? share(edge.rows[1] / edge.rows[3]) : ""), h("td", {class: "n"}, chance(edge.chance)),
    h("td", {}, tags(edge)));
  return row;
};
const listed = () => {
  const text = document.getElementById("edge-search").value.trim().toLowerCase();
  const withChance = document.getElementById("edge-coincidental").checked, withCopies = document.getElementById("edge-copies").checked;
  const key = sortKey[view.sort], sign = view.up ? 1 : -1;
  return DATA.edges
    .filter((e) => (withChance || !e.coincidental) && (withCopies || !e.mutual))
    .filter((e) => !text || label(e.c).toLowerCase().includes(text) || label(e.p).toLowerCase().includes(text))
    .map((e, i) => [key(e), i, e])
    .sort(([a, i], [b, j]) => (a < b ? -sign : a > b ? sign : i - j))
    .map(([, , e]) => e);
};
const drawTable = () => {
  const rows = listed();
  document.querySelector("#edges tbody").replaceChildren(...rows.slice(0, view.shown).map(edgeRow));
  document.getElementById("edge-count").textContent = count(rows.length) + " of " + count(DATA.edges.length) + " listed";
  document.getElementById("edge-more").hidden = rows.length <= view.shown;
  for (const th of document.querySelectorAll("#edges th[data-sort]")) {
    if (th.dataset.sort === view.sort) th.setAttribute("aria-sort", view.up ? "ascending" : "descending");
    else th.removeAttribute("aria-sort");
  }
};
const startTable = () => {
  if (!document.getElementById("edges")) return;
  for (const th of document.querySelectorAll("#edges th[data-sort]")) th.firstChild.addEventListener("click", () => {
    view.up = view.sort === th.dataset.sort ? !view.up : ["child", "parent", "chance"].includes(th.dataset.sort);
    view.sort = th.dataset.sort;
    drawTable();
  });
  for (const id of ["edge-search", "edge-coincidental", "edge-copies"]) document.getElementById(id).addEventListener("input", () => {
    view.shown = PAGE;
    drawTable();
  });
  document.querySelector("#edge-more button").addEventListener("click", () => { view.shown += 5 * PAGE; drawTable(); });
  if (DATA.edges.every((e) => e.coincidental)) document.getElementById("edge-coincidental").checked = true;
  drawTable();
};
