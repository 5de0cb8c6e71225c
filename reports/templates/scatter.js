// One figure of the points that the table shows; axes and colour are columns of it.
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7a5ccc"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star"];
const SHAPES = ["circles", "squares", "triangles", "diamonds", "triangles upside down", "crosses", "x", "stars"];
const BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]; // none leads elsewhere
const MOST_GROUPS = 12; // with more values than that numbers are a scale of colours
const MOST_POINTS = 4000; // drawn at once; the front is always among them

// A colour of the page as it is now, light or dark.
function cssColour(name) {
  const probe = make("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

// Names may hold what the figure's labels would read as markup.
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function startScatter(root) {
  const explorer = explorers.get(root.dataset.of);
  const { data } = explorer;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const scatter = { root, part, explorer, data, plot: part("plot") };
  const numbers = data.columns.filter((column) => column.numeric);
  fillSelect(part("x"), numbers, data.scatter.x);
  fillSelect(part("y"), numbers, data.scatter.y);
  fillSelect(part("colour"), data.columns.filter((column) => column.name !== "point"), data.scatter.colour);
  for (const name of ["x", "y", "colour", "logx", "logy"]) part(name).addEventListener("change", () => drawScatter(scatter));
  explorer.root.addEventListener("rowschange", () => drawScatter(scatter));
  document.addEventListener("themechange", () => drawScatter(scatter));
  drawScatter(scatter);
  scatter.plot.on("plotly_click", ({ points }) => {
    const row = points[0].customdata;
    const column = data.named.get("point");
    if (row !== undefined && column.opens) openRows(column.opens, "point", cellValue(column, row));
  });
}

function fillSelect(select, columns, chosen) {
  select.append(...columns.map((column) => make("option", {
    value: column.name, textContent: column.heading + (column.unit ? `, ${column.unit}` : ""), selected: column.name === chosen,
  })));
}

// What is drawn: rows with a place on both axes, thinned evenly where there are too many.
function placedRows({ explorer, data, part }, x, y) {
  const logs = { x: part("logx").checked, y: part("logy").checked };
  const has = (value, log) => !Number.isNaN(value) && (!log || value > 0);
  const rows = [];
  for (let row = 0; row < data.rows; row += 1) {
    if (explorer.mask[row] && has(x.values[row], logs.x) && has(y.values[row], logs.y)) rows.push(row);
  }
  if (rows.length <= MOST_POINTS) return { rows, found: rows.length };
  const step = rows.length / MOST_POINTS;
  const kept = rows.filter((row, at) => onFront(data, row) || Math.floor(at / step) !== Math.floor((at - 1) / step));
  return { rows: kept, found: rows.length };
}

function onFront(data, row) {
  const column = data.named.get("front");
  return column !== undefined && column.words[column.codes[row]] === "yes";
}

function pointTip(data, x, y, row) {
  const lines = data.scatter.tip.map((name) => data.named.get(name)).filter(Boolean)
    .map((column) => [column.heading, cellText(column, row)])
    .filter(([, text]) => text !== NOTHING);
  for (const column of [x, y]) lines.push([column.heading, cellText(column, row)]);
  const told = new Map(lines); // an axis may stand among the tips
  return [...told].map(([name, text]) => `${plain(name)}: <b>${plain(text)}</b>`).join("<br>");
}

function markerOf(scatter, rows) {
  const { data } = scatter;
  const symbol = data.named.get(data.scatter.symbol);
  return {
    size: rows.map((row) => (onFront(data, row) ? 12 : 8)),
    opacity: rows.map((row) => (onFront(data, row) ? 1 : 0.65)),
    symbol: rows.map((row) => SYMBOLS[symbol ? Math.max(0, symbol.codes[row]) % SYMBOLS.length : 0]),
    line: { width: rows.map((row) => (onFront(data, row) ? 2 : 0)), color: cssColour("--ink") },
  };
}

function trace(scatter, x, y, rows, name, colours) {
  return {
    type: "scatter", mode: "markers", name: plain(name), customdata: rows,
    x: rows.map((row) => x.values[row]), y: rows.map((row) => y.values[row]),
    text: rows.map((row) => pointTip(scatter.data, x, y, row)), hovertemplate: "%{text}<extra></extra>",
    marker: { ...markerOf(scatter, rows), ...colours },
  };
}

function colouredTraces(scatter, x, y, colour, rows) {
  const found = choices(colour); // gives numbers their codes, too
  if (colour.numeric && found.length > MOST_GROUPS) {
    const scale = { color: rows.map((row) => colour.values[row]), colorscale: "Viridis", showscale: true,
      colorbar: { title: { text: plain(colour.heading), side: "right" }, thickness: 12, outlinewidth: 0 } };
    return [{ ...trace(scatter, x, y, rows, colour.heading, scale), showlegend: false }];
  }
  return found.map(({ code, text }, at) => trace(
    scatter, x, y, rows.filter((row) => colour.codes[row] === code), text, { color: PALETTE[at % PALETTE.length] },
  )).filter((each) => each.x.length);
}

// The fronts are those of latency and energy, one line for each network.
function frontTraces({ data }, x, y, rows) {
  const [first, second] = data.scatter.costs;
  if (new Set([x.name, y.name, first, second]).size !== 2) return [];
  const network = data.named.get("network");
  const groups = Map.groupBy(rows.filter((row) => onFront(data, row)), (row) => (network ? network.codes[row] : 0));
  return [...groups.values()].map((group, at) => {
    group.sort((a, b) => x.values[a] - x.values[b]);
    return {
      type: "scatter", mode: "lines", name: "Pareto front", legendgroup: "front", showlegend: at === 0, hoverinfo: "skip",
      x: group.map((row) => x.values[row]), y: group.map((row) => y.values[row]),
      line: { color: cssColour("--dim"), width: 1.5, dash: "dot", shape: "hv" },
    };
  });
}

function axisLayout(column, log) {
  return {
    title: { text: plain(column.heading) + (column.unit ? ` [${plain(column.unit)}]` : ""), standoff: 8 },
    type: log ? "log" : "linear", nticks: log ? 4 : 8,
    tickformat: column.kind === "si" || column.whole ? "~s" : "",
    gridcolor: cssColour("--line"), linecolor: cssColour("--dim"), zeroline: false, automargin: true,
  };
}

function scatterLayout({ part }, x, y) {
  return {
    height: 480, margin: { l: 10, r: 10, t: 10, b: 10 }, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: cssColour("--ink") },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: cssColour("--dim"), activecolor: cssColour("--accent") },
    hoverlabel: { bgcolor: cssColour("--panel"), bordercolor: cssColour("--line"), font: { color: cssColour("--ink") }, align: "left" },
    xaxis: axisLayout(x, part("logx").checked), yaxis: axisLayout(y, part("logy").checked),
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", title: { text: "" } }, showlegend: true,
  };
}

// Which shape stands for which word, where there are several.
function shapesTold(data) {
  const symbol = data.named.get(data.scatter.symbol);
  if (!symbol || symbol.words.length < 2 || symbol.words.length > SHAPES.length) return "";
  return `Shapes: ${symbol.words.map((word, code) => `${SHAPES[code]} ${word}`).join(", ")}. `;
}

function drawScatter(scatter) {
  const { data, part, plot } = scatter;
  const [x, y, colour] = ["x", "y", "colour"].map((name) => data.named.get(part(name).value));
  const { rows, found } = placedRows(scatter, x, y);
  const traces = [...frontTraces(scatter, x, y, rows), ...colouredTraces(scatter, x, y, colour, rows)];
  Plotly.react(plot, traces, scatterLayout(scatter, x, y), {
    responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", modeBarButtons: [BUTTONS],
    toImageButtonOptions: { format: "svg", filename: "points" },
  });
  plot.setAttribute("aria-label", `${y.heading} against ${x.heading}, coloured by ${colour.heading}: ${rows.length} points`);
  const missing = scatter.data.rows - found;
  part("told").textContent = shapesTold(data) + (rows.length < found ? `${grouped(rows.length)} of ${grouped(found)} points are drawn. ` : "")
    + (missing ? `${grouped(missing)} points are filtered out or have no place on these axes.` : "");
}

for (const root of document.querySelectorAll(".scatter")) startScatter(root);
