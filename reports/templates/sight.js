// The rows of a table that are in sight, drawn anew as one scrolls.
const SPARE_ROWS = 12; // drawn above and below what is in sight
const PRINTED_ROWS = 200;
const SAMPLED_ROWS = 200; // looked at for the width of a column
const WIDTHS = [5, 34]; // of a column, in characters
const LETTER = 0.9; // of a digit's width

function columnWidth(data, column, first) {
  const step = Math.max(1, Math.floor(data.rows / SAMPLED_ROWS));
  let most = Math.max(...column.heading.split(" ").map((word) => word.length + 3));
  for (let row = 0; row < data.rows; row += step) most = Math.max(most, cellText(column, row).length);
  const width = Math.min(Math.max(most, WIDTHS[0]), WIDTHS[1]);
  return column.numeric || first ? width : LETTER * width; // letters are narrower than digits, unless bold
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
  const widths = shown.map((column, at) => columnWidth(data, column, at === 0));
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

function remark(text, columns) {
  return make("tr", {}, make("td", { className: "none", colSpan: columns, textContent: text }));
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
  if (!visible.length) lines.push(remark("no row passes the filters", shown.length));
  if (printing && to < visible.length) lines.push(remark(`${grouped(visible.length - to)} more rows are not printed`, shown.length));
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
