// A table of many rows: only those in sight are in the page.
const SPARE_ROWS = 12; // drawn above and below what is in sight
const PRINTED_ROWS = 200;
const SAMPLED_ROWS = 200; // looked at for the width of a column
const MOST_PICKS = 400; // a longer list is no help; the search is
const WIDTHS = [5, 34]; // of a column, in characters
const LETTER = 0.9;
const explorers = new Map();

function columnWidth(data, column) {
  const step = Math.max(1, Math.floor(data.rows / SAMPLED_ROWS));
  let most = Math.max(...column.heading.split(" ").map((word) => word.length + 3));
  for (let row = 0; row < data.rows; row += step) most = Math.max(most, cellText(column, row).length);
  const width = Math.min(Math.max(most, WIDTHS[0]), WIDTHS[1]);
  return column.numeric ? width : LETTER * width; // letters are narrower than digits
}

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

function tellSort({ table, shown, sort }) {
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const here = sort && sort.column === shown[at];
    head.setAttribute("aria-sort", here ? (sort.descending ? "descending" : "ascending") : "none");
  });
}

function headCell(explorer, column) {
  const button = make("button", { type: "button", textContent: column.heading, title: column.meaning });
  button.append(make("span", { ariaHidden: "true" }));
  button.addEventListener("click", () => sortBy(explorer, column));
  return make("th", { scope: "col", className: column.numeric ? "n" : "" }, button);
}

function drawHead(explorer) {
  const { data, shown, table } = explorer;
  const widths = shown.map((column) => columnWidth(data, column));
  const group = make("colgroup", {}, ...widths.map((width) => {
    const col = make("col");
    col.style.width = `calc(${width}ch + 1.3rem)`;
    return col;
  }));
  table.querySelector("colgroup")?.remove();
  table.prepend(group);
  table.style.minWidth = `calc(${widths.reduce((a, b) => a + b, 0)}ch + ${1.3 * widths.length}rem)`;
  table.tHead.replaceChildren(make("tr", {}, ...shown.map((column) => headCell(explorer, column))));
  tellSort(explorer);
}

// A cell that limits another table to its word. One of them can be reached by Tab, the others
// from there by the arrow keys: nobody wants to press Tab once for each row.
function opener(explorer, column, place, text) {
  const button = make("button", {
    type: "button", className: "opens", textContent: text, title: `show the ${column.opens} of ${text}`,
    tabIndex: place === explorer.current ? 0 : -1,
  });
  const word = column.words[column.codes[explorer.visible[place]]];
  button.addEventListener("click", () => openRows(column.opens, column.name, word));
  button.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    moveTo(explorer, place + step);
  });
  return button;
}

// Which places are in sight, without spare rows and what the headings cover.
function inSight({ scroller, table, rowHeight }) {
  const first = Math.ceil(scroller.scrollTop / rowHeight);
  const count = Math.floor((scroller.clientHeight - table.tHead.offsetHeight) / rowHeight);
  return [first, first + Math.max(count, 1) - 1];
}

function moveTo(explorer, place) {
  if (place < 0 || place >= explorer.visible.length) return;
  const [first, last] = inSight(explorer);
  if (place < first) explorer.scroller.scrollTop = place * explorer.rowHeight;
  if (place > last) explorer.scroller.scrollTop += (place - last) * explorer.rowHeight;
  explorer.current = place;
  drawBody(explorer);
  focusPlace(explorer, place);
}

function focusPlace({ table, scroller }, place) {
  const button = table.querySelector(`tr[aria-rowindex="${place + 2}"] .opens`);
  (button ?? scroller).focus({ preventScroll: true });
}

function focusedPlace({ table }) {
  const line = document.activeElement.closest("tr[aria-rowindex]");
  return line && table.tBodies[0].contains(line) ? Number(line.getAttribute("aria-rowindex")) - 2 : null;
}

// Limit another table of the page to one word, and go there.
function openRows(name, column, word) {
  const other = explorers.get(name);
  if (!other?.data.named.has(column)) return;
  limitTo(other, { name: column, word });
  other.root.closest("section").scrollIntoView({ block: "start" });
  other.part("limit").focus({ preventScroll: true });
}

function bodyCell(explorer, column, place, first) {
  const row = explorer.visible[place];
  const text = cellText(column, row);
  const cell = make(first ? "th" : "td", { className: column.numeric ? "n" : "" });
  if (first) cell.scope = "row";
  cell.append(column.opens && explorers.has(column.opens) ? opener(explorer, column, place, text) : text);
  if (!column.numeric && text.length > 20) cell.title = text;
  return cell;
}

function bodyRow(explorer, place) {
  const line = make("tr", {}, ...explorer.shown.map((column, at) => bodyCell(explorer, column, place, at === 0)));
  line.setAttribute("aria-rowindex", String(place + 2));
  return line;
}

function gap(height, columns) {
  const line = make("tr", { className: "gap", ariaHidden: "true" }, make("td", { colSpan: columns }));
  line.style.height = `${height}px`;
  return line;
}

// Which rows are in sight: first place and the one behind the last.
function sight({ scroller, rowHeight, visible }, printing) {
  if (printing) return [0, Math.min(visible.length, PRINTED_ROWS)];
  const top = Math.floor(scroller.scrollTop / rowHeight);
  const from = Math.max(0, Math.min(top - SPARE_ROWS, visible.length - 1));
  const count = Math.ceil((scroller.clientHeight || 600) / rowHeight) + 2 * SPARE_ROWS;
  return [from, Math.min(visible.length, from + count)];
}

function drawBody(explorer, printing = false) {
  const { table, visible, shown } = explorer;
  const [from, to] = sight(explorer, printing);
  const held = focusedPlace(explorer);
  const [first, last] = inSight(explorer);
  if (explorer.current < first || explorer.current > last) explorer.current = first;
  const lines = Array.from({ length: to - from }, (_, at) => bodyRow(explorer, from + at));
  if (from > 0) lines.unshift(gap(from * explorer.rowHeight, shown.length));
  if (to < visible.length && !printing) lines.push(gap((visible.length - to) * explorer.rowHeight, shown.length));
  if (!visible.length) lines.push(make("tr", {}, make("td", { className: "none", colSpan: shown.length, textContent: "no row passes the filters" })));
  if (printing && to < visible.length) lines.push(make("tr", {}, make("td", { colSpan: shown.length, textContent: `${grouped(visible.length - to)} more rows are not printed` })));
  table.tBodies[0].replaceChildren(...lines);
  if (held !== null) focusPlace(explorer, held);
  table.setAttribute("aria-rowcount", String(visible.length + 1));
  measure(explorer);
}

function measure(explorer) {
  const line = explorer.table.tBodies[0].querySelector("tr:not(.gap)");
  const height = line ? line.getBoundingClientRect().height : 0;
  if (height) explorer.rowHeight = height;
}

// Tables that others refer to are started first.
for (const root of [...document.querySelectorAll(".explorer")].reverse()) startExplorer(root);
