// A table of many rows: what one searches, picks, sorts and limits in it.
const MOST_PICKS = 400; // a longer list is no help; the search is
const explorers = new Map();

function startExplorer(root) {
  const data = readRows(root.dataset.rows);
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const explorer = {
    data, root, part,
    scroller: part("rows"), table: part("rows").firstElementChild,
    shown: data.columns.filter((column) => data.shown.includes(column.name)),
    sort: null, order: sortedRows(data.rows, null), visible: [], rowHeight: 32,
    filter: { search: "", picks: new Map(), ranges: new Map() },
    limit: null, resets: [], current: 0,
  };
  explorers.set(data.name, explorer);
  startTools(explorer);
  explorer.scroller.addEventListener("scroll", () => requestAnimationFrame(() => drawBody(explorer)));
  addEventListener("resize", () => drawBody(explorer));
  addEventListener("beforeprint", () => drawBody(explorer, true));
  addEventListener("afterprint", () => drawBody(explorer));
  drawHead(explorer);
  refilter(explorer);
  return explorer;
}

function startTools(explorer) {
  const { data, part } = explorer;
  const search = part("search");
  search.addEventListener("input", () => { explorer.filter.search = search.value; refilter(explorer); });
  for (const name of data.picks) addPick(explorer, data.named.get(name));
  addRanges(explorer);
  addColumns(explorer);
  part("clear").addEventListener("click", () => clearAll(explorer));
  part("limit").addEventListener("click", () => limitTo(explorer, null));
  part("download").addEventListener("click", () => download(`${data.name}.csv`, csvText(explorer.shown, explorer.visible)));
}

function addPick(explorer, column) {
  const items = choices(column).map(({ code, text }) => ({ key: code, text }));
  if (items.length < 2 || items.length > MOST_PICKS) return;
  const all = new Set(items.map(({ key }) => key));
  const picker = checkMenu(column.heading, items, all, (codes) => {
    if (codes.size === all.size) explorer.filter.picks.delete(column.name);
    else explorer.filter.picks.set(column.name, codes);
    refilter(explorer);
  });
  explorer.resets.push(picker.reset);
  explorer.part("menus").append(picker.menu);
}

function addRanges(explorer) {
  const rows = explorer.data.columns.filter((column) => column.numeric).map((column) => {
    const fields = rangeFields(column, (range) => {
      if (range.some(Number.isFinite)) explorer.filter.ranges.set(column.name, range);
      else explorer.filter.ranges.delete(column.name);
      menu.tell(explorer.filter.ranges.size ? String(explorer.filter.ranges.size) : "");
      menu.menu.classList.toggle("active", explorer.filter.ranges.size > 0);
      refilter(explorer);
    });
    explorer.resets.push(fields.clear);
    return fields.row;
  });
  if (!rows.length) return;
  const head = make("div", { className: "menu-head" }, narrowing(rows), make("span", { className: "dim", textContent: "from, to; 1.5m or 20k will do" }));
  const menu = newMenu("ranges", head, ...rows);
  menu.menu.classList.add("wide-menu");
  explorer.part("menus").append(menu.menu);
}

function addColumns(explorer) {
  const { columns } = explorer.data;
  const items = columns.map((column) => ({ key: column.name, text: column.heading, hint: column.meaning }));
  const checked = new Set(explorer.shown.map((column) => column.name));
  const picker = checkMenu("columns", items, checked, (names) => {
    explorer.shown = columns.filter((column, at) => at === 0 || names.has(column.name));
    drawHead(explorer);
    drawBody(explorer);
  });
  picker.menu.classList.add("columns");
  explorer.part("menus").append(picker.menu);
}

function clearAll(explorer) {
  explorer.part("search").value = "";
  explorer.filter.search = "";
  explorer.limit = null;
  explorer.quiet = true; // one pass over the rows at the end, not one for each field
  for (const reset of explorer.resets) reset();
  explorer.quiet = false;
  refilter(explorer);
}

// Show only the rows that hold one word in one column, until somebody takes that back.
function limitTo(explorer, limit) {
  explorer.limit = limit;
  refilter(explorer);
}

function allPicks({ limit, filter, data }) {
  if (!limit) return filter.picks;
  const code = data.named.get(limit.name).words.indexOf(limit.word);
  return new Map([...filter.picks, [limit.name, new Set([code])]]);
}

function refilter(explorer) {
  if (explorer.quiet) return;
  const { data, filter, limit, part } = explorer;
  const mask = rowMask(data, { ...filter, picks: allPicks(explorer) });
  explorer.mask = mask;
  explorer.visible = explorer.order.filter((row) => mask[row]);
  const filtered = filter.search.trim() || filter.picks.size || filter.ranges.size;
  part("count").textContent = explorer.visible.length === data.rows
    ? `${grouped(data.rows)} rows` : `${grouped(explorer.visible.length)} of ${grouped(data.rows)} rows`;
  part("clear").hidden = !filtered;
  part("limit").hidden = !limit;
  if (limit) part("limit").textContent = `only ${limit.name} ${limit.word} \u00d7`;
  explorer.scroller.scrollTop = 0;
  drawBody(explorer);
  explorer.root.dispatchEvent(new Event("rowschange"));
}

function sortBy(explorer, column) {
  const before = explorer.sort;
  const descending = before && before.column === column ? !before.descending : column.numeric;
  explorer.sort = { column, descending };
  explorer.order = sortedRows(explorer.data.rows, column, descending);
  explorer.visible = explorer.order.filter((row) => explorer.mask[row]);
  explorer.scroller.scrollTop = 0;
  tellSort(explorer);
  drawBody(explorer);
}

// Limit another table of the page to one word, and go there.
function openRows(name, column, word) {
  const other = explorers.get(name);
  if (!other?.data.named.has(column)) return;
  limitTo(other, { name: column, word });
  other.root.closest("section").scrollIntoView({ block: "start" });
  other.part("limit").focus({ preventScroll: true });
}

// Tables that others refer to are started first.
for (const root of [...document.querySelectorAll(".explorer")].reverse()) startExplorer(root);
