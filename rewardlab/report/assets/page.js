"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const hidden = new Set();
const drawn = new Map(); // element -> function that draws it again
const choice = { metric: data.metrics[0] && data.metrics[0][0], axis: "linear", bands: true };

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const wash = (hex, alpha) => {
  const part = (at) => parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
};
// Plotly reads some tags in texts; names are shown as they are.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function layout(xTitle, yTitle, more) {
  const axis = (title) => ({
    title: { text: title, font: { size: 12, color: css("--soft") }, standoff: 8 },
    gridcolor: css("--line"), linecolor: css("--line"), zerolinecolor: css("--line"),
    tickfont: { size: 11, color: css("--soft") }, automargin: true,
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified",
    font: { family: getComputedStyle(document.body).fontFamily, color: css("--ink") },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink"), size: 12 } },
    margin: { l: 50, r: 12, t: 28, b: 42 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--faint"), activecolor: css("--accent") },
    xaxis: { ...axis(xTitle), ...more.x }, yaxis: { ...axis(yTitle), ...more.y },
  };
}
// Plotly's own default offers to upload the chart to its makers' servers: not from this page.
const config = {
  displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
};

function lines(curves, banded) {
  const traces = [];
  for (const curve of curves) {
    const scheme = data.schemes[curve.scheme];
    if (hidden.has(curve.scheme)) continue;
    const color = dark.matches && scheme.color === "#0072B2" ? "#4aa3df" : scheme.color;
    const quiet = { x: curve.x, mode: "lines", line: { width: 0, color }, hoverinfo: "skip" };
    if (banded && curve.low) {
      traces.push({ ...quiet, y: curve.low });
      traces.push({ ...quiet, y: curve.high, fill: "tonexty", fillcolor: wash(color, 0.16) });
    }
    traces.push({
      x: curve.x, y: curve.y, customdata: curve.low ? curve.low.map((low, at) => [low, curve.high[at]]) : undefined,
      mode: "lines", name: plain(curve.name), line: { color, width: 2.2, dash: scheme.dash },
      hovertemplate: curve.low ? "%{y:.3g}  [%{customdata[0]:.3g}, %{customdata[1]:.3g}]" : "%{y:.3g}",
    });
  }
  return traces;
}

function drawCurves(element, env) {
  const metric = choice.metric;
  const label = (data.metrics.find(([key]) => key === metric) || ["", ""])[1];
  const curves = env.curves.filter((c) => c.bands[metric]).map((c) => ({ ...c, x: env.frames, ...c.bands[metric] }));
  const more = { x: { type: choice.axis, exponentformat: "SI" }, y: {} };
  if (metric !== "return") more.y = { range: [-0.04, 1.04] };
  const shown = layout("training frames", label, more);
  if (!curves.length) shown.annotations = [{ text: `no ${label} here`, showarrow: false, font: { color: css("--faint") } }];
  Plotly.react(element, lines(curves, choice.bands), shown, config);
}

function drawProfile(element) {
  const curves = data.profile.lines.map((line) => ({ ...line, x: data.profile.x }));
  Plotly.react(element, lines(curves, choice.bands),
    layout("final normalised score τ", "share of runs above τ", { x: { range: [0, 1] }, y: { range: [-0.03, 1.04] } }), config);
}

function redraw() {
  for (const draw of drawn.values()) draw();
}

// Charts are drawn when they come into sight: a page with fifty environments still opens at once.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || drawn.has(target)) continue;
    const env = target.dataset.env;
    drawn.set(target, env === undefined ? () => drawProfile(target) : () => drawCurves(target, data.envs[Number(env)]));
    drawn.get(target)();
  }
}, { rootMargin: "600px" });
document.querySelectorAll(".plot").forEach((element) => watcher.observe(element));
dark.addEventListener("change", redraw);

document.querySelectorAll(".chip[data-scheme]").forEach((chip) => chip.addEventListener("click", () => {
  const scheme = Number(chip.dataset.scheme);
  if (!hidden.delete(scheme)) hidden.add(scheme);
  document.querySelectorAll(`.chip[data-scheme="${scheme}"]`).forEach((twin) => twin.setAttribute("aria-pressed", String(!hidden.has(scheme))));
  redraw();
}));
document.querySelectorAll("[data-choice]").forEach((input) => input.addEventListener("change", () => {
  choice[input.dataset.choice] = input.type === "checkbox" ? input.checked : input.value;
  redraw();
}));

// Tables: a click on a header sorts, empty cells always last; the search field keeps matching rows.
function sortBy(table, column, header) {
  const up = header.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
  const rows = [...table.tBodies[0].rows];
  rows.sort((first, second) => {
    const [a, b] = [key(first), key(second)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : Number(a) - Number(b);
    return up ? order : -order;
  });
  table.tBodies[0].append(...rows);
}
document.querySelectorAll("table.sortable").forEach((table) => {
  table.querySelectorAll("thead th").forEach((header, column) =>
    header.querySelector("button").addEventListener("click", () => sortBy(table, column, header)));
});
document.querySelectorAll("input[data-filter]").forEach((input) => input.addEventListener("input", () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.getElementById(input.dataset.filter).tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}));
