// Names reach the page only through text nodes: `h` never parses HTML.
const h = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) if (child != null && child !== false) node.append(child);
  return node;
};
const DATA = JSON.parse(document.getElementById("report-data").textContent);
const count = (n) => n == null ? "unknown" : Number(n).toLocaleString("en-US");
const size = (n) => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let k = 0;
  while (n >= 1000 && k < units.length - 1) { n /= 1000; k++; }
  return (k && n < 100 ? n.toFixed(1) : Math.round(n).toLocaleString("en-US")) + " " + units[k];
};
const chance = (p) => p == null ? "unknown" : p === 0 ? "below 1e-300" : p >= 0.001 ? p.toFixed(3) : p.toExponential(1);
const share = (f) => (100 * f).toFixed(f > 0.99 && f < 1 ? 3 : 1) + " %";
const label = (t) => DATA.tables[t].label;

const BY_NAME = new Map(DATA.tables.map((table, t) => [table.name, t]));
const grouped = (rows, key) => rows.reduce((groups, row, i) => {
  if (!groups.has(row[key])) groups.set(row[key], []);
  groups.get(row[key]).push(i);
  return groups;
}, new Map());
const INTO = grouped(DATA.edges, "c"), FROM = grouped(DATA.edges, "p");
const NEAR_CHILD = grouped(DATA.near, "c"), NEAR_PARENT = grouped(DATA.near, "p");

const tableHash = (t) => "#table=" + encodeURIComponent(DATA.tables[t].name);
const edgeHash = (c, p) => "#child=" + encodeURIComponent(DATA.tables[c].name) + "&parent=" + encodeURIComponent(DATA.tables[p].name);
const tableLink = (t) => h("a", {href: tableHash(t)}, h("bdi", {}, label(t)));
const facts = (rows) => h("dl", {class: "facts"}, rows.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
const tags = (edge) => [
  edge.mutual && h("span", {class: "tag good"}, "mutual"),
  edge.coincidental && h("span", {class: "tag warn"}, "coincidental" + (edge.reason && edge.reason !== "chance" ? ": " + edge.reason : "")),
].filter(Boolean).flatMap((tag) => [tag, " "]);

const capped = (items, show, more) => {
  const list = h("ul", {}, items.slice(0, 60).map(show));
  if (items.length > 60) list.append(h("li", {class: "soft"}, "and " + count(items.length - 60) + " more " + more));
  return list;
};
const nearItem = (i) => {
  const near = DATA.near[i], [fraction, low, high] = near.fraction;
  const estimate = fraction == null ? "" : "; about " + share(fraction) + " contained" + (low == null ? "" : " (" + share(low) + " to " + share(high) + ")");
  return h("li", {}, tableLink(near.c), " in ", tableLink(near.p), h("div", {class: "soft"},
    near.verdict + ": " + count(near.missing) + " of " + count(near.compared) + " compared rows missing" + estimate));
};
const nearSection = (items) => items.length ? [h("h3", {}, "Near misses"), DATA.near_note && h("p", {class: "soft"}, DATA.near_note), capped(items, nearItem, "near misses")] : [];
const edgeItem = (i, end) => {
  const edge = DATA.edges[i];
  return h("li", {}, tableLink(edge[end]), " ", tags(edge), h("a", {href: edgeHash(edge.c, edge.p)}, "evidence"));
};
const edgeSection = (title, items, end) => items.length
  ? [h("h3", {}, title + " (" + count(items.length) + ")"), capped(items, (i) => edgeItem(i, end), "in the table of containments")] : [];

const tableEvidence = (t, members) => {
  const into = INTO.get(t) || [], from = FROM.get(t) || [];
  const equal = (members || []).filter((m) => m !== t);
  const near = [...(NEAR_CHILD.get(t) || []), ...(NEAR_PARENT.get(t) || []).filter((i) => DATA.near[i].c !== t)];
  return [
    h("h2", {}, h("bdi", {}, label(t))),
    facts(DATA.tables[t].facts),
    ...(equal.length ? [h("h3", {}, "Contain one another, in the same box (" + count(equal.length) + ")"), capped(equal, (m) => h("li", {}, tableLink(m)), "")] : []),
    ...edgeSection("Lies inside", into, "p"),
    ...edgeSection("Contains", from, "c"),
    into.length || from.length ? null : h("p", {class: "soft"}, "No listed containment touches this table."),
    ...nearSection(near),
  ];
};

const steps = (edge) => {
  const [rows, distinct, parentRows, parentDistinct] = edge.rows;
  const empty = {"empty": "the child has no rows", "all-null": "the child holds only nulls"}[edge.reason];
  const proof = empty ? "holds by definition: " + empty : DATA.mode === "exact"
    ? "proven: 0 of " + count(distinct) + " distinct rows (" + count(rows) + " in all) are missing among the parent's " + count(parentDistinct)
    : "not proven: only a sample was compared";
  return h("ul", {class: "steps"}, [
    ["Schema", "each column of the child is a column of the parent"],
    ["Min-max", "no column's range, null count or type refutes it"],
    [DATA.mode === "exact" ? "Sketch" : "Sample", edge.compared == null ? "every sketched row of the child is among the parent's" : "0 of " + count(edge.compared) + " compared rows missing"],
    ["Proof", proof + "; " + edge.semantics + " semantics"],
  ].map(([step, text]) => h("li", {}, h("b", {}, step), h("span", {}, text))));
};

const edgeEvidence = (i) => {
  const edge = DATA.edges[i], [rows, distinct, parentRows, parentDistinct] = edge.rows;
  const near = (NEAR_CHILD.get(edge.c) || []);
  return [
    h("h2", {}, tableLink(edge.c), " in ", tableLink(edge.p)),
    h("p", {}, tags(edge)),
    h("h3", {}, "Verdict of each step"), steps(edge),
    h("h3", {}, "Rows"),
    facts([["child", count(rows) + ", distinct: " + count(distinct)],
      ["parent", count(parentRows) + ", distinct on the child's columns: " + count(parentDistinct)]]),
    h("h3", {}, "Chance " + chance(edge.chance) + ", a heuristic"),
    edge.parts.length ? facts(edge.parts) : h("p", {class: "soft"}, "No parts were recorded."),
    h("h3", {}, "Certificate"),
    edge.certificate.length ? h("div", {class: "mono"}, facts(edge.certificate)) : h("p", {class: "soft"}, "None: this edge is not proven."),
    ...nearSection(near),
  ];
};
