// Rows that stand in the page as JSON, column by column: read, filtered, sorted, as CSV.
function readColumn(column) {
  if (column.words) {
    return { ...column, numeric: false, codes: Int32Array.from(column.codes) };
  }
  return { ...column, numeric: true, values: Float64Array.from(column.values, (v) => (v === null ? NaN : v)) };
}

function readRows(id) {
  const data = JSON.parse(document.getElementById(id).textContent);
  const columns = data.columns.map(readColumn);
  return { ...data, columns, named: new Map(columns.map((column) => [column.name, column])) };
}

// A cell as people read it.
function cellText(column, row) {
  if (column.numeric) return written(column, column.values[row], column.whole);
  return column.codes[row] < 0 ? NOTHING : column.words[column.codes[row]];
}

// A cell as it was computed.
function cellValue(column, row) {
  if (column.numeric) return Number.isNaN(column.values[row]) ? "" : column.values[row];
  return column.codes[row] < 0 ? "" : column.words[column.codes[row]];
}

const collator = new Intl.Collator("en", { numeric: true });

// Numbers of columns get codes too once somebody picks their values.
function withCodes(column) {
  if (column.codes) return column;
  column.levels = [...new Set(column.values)].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const places = new Map(column.levels.map((value, at) => [value, at]));
  column.codes = Int32Array.from(column.values, (value) => places.get(value) ?? -1);
  return column;
}

// What one can pick of a column, in reading order: code and text.
function choices(column) {
  const { codes, levels, words } = withCodes(column);
  const count = column.numeric ? levels.length : words.length;
  const found = Array.from({ length: count }, (_, code) => ({
    code, text: column.numeric ? written(column, levels[code], column.whole) : words[code],
  }));
  if (!column.numeric) found.sort((a, b) => collator.compare(a.text, b.text));
  return codes.includes(-1) ? [...found, { code: -1, text: NOTHING }] : found;
}

// Sort keys: numbers as they are, words by their place in the alphabet; nothing is NaN.
function sortKeys(column) {
  if (column.numeric) return column.values;
  const order = column.words.map((_, code) => code);
  order.sort((a, b) => collator.compare(column.words[a], column.words[b]));
  const rank = new Float64Array(order.length);
  order.forEach((code, at) => { rank[code] = at; });
  return Float64Array.from(column.codes, (code) => (code < 0 ? NaN : rank[code]));
}

// All rows in the order of a column; equal ones stay in theirs, and nothing stands last.
function sortedRows(count, column, descending) {
  const rows = Array.from({ length: count }, (_, row) => row);
  if (!column) return rows;
  const keys = sortKeys(column);
  const filled = rows.filter((row) => !Number.isNaN(keys[row]));
  filled.sort(descending ? (a, b) => keys[b] - keys[a] : (a, b) => keys[a] - keys[b]);
  return filled.concat(rows.filter((row) => Number.isNaN(keys[row])));
}

// For every word to be found: does a row hold it in one of its texts?
function searchTest(columns, text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = columns.filter((column) => !column.numeric);
  const hits = wanted.map((word) => texts.map((column) => column.words.map((w) => w.toLowerCase().includes(word))));
  return (row) => hits.every((found) => texts.some((column, at) => found[at][column.codes[row]]));
}

function rangeTest(column, [low, high]) {
  return (row) => column.values[row] >= low && column.values[row] <= high;
}

// Which rows pass the search, the picks (name -> set of codes) and the ranges (name -> low, high).
function rowMask(data, { search, picks, ranges }) {
  const tests = [];
  if (search.trim()) tests.push(searchTest(data.columns, search));
  for (const [name, codes] of picks) {
    const column = withCodes(data.named.get(name));
    tests.push((row) => codes.has(column.codes[row]));
  }
  for (const [name, range] of ranges) tests.push(rangeTest(data.named.get(name), range));
  const mask = new Uint8Array(data.rows);
  for (let row = 0; row < data.rows; row += 1) mask[row] = tests.every((test) => test(row)) ? 1 : 0;
  return mask;
}

function csvCell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvText(columns, rows) {
  const lines = [columns.map((column) => csvCell(column.name)).join(",")];
  for (const row of rows) lines.push(columns.map((column) => csvCell(cellValue(column, row))).join(","));
  return `${lines.join("\n")}\n`;
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
