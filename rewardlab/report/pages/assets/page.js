"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");
const hidden = new Set();
const drawn = new Map(); // element -> function that draws it again
const choice = { metric: data.metrics[0] && data.metrics[0][0], axis: "linear", values: "auto", bands: true };

const isDark = () => (root.style.colorScheme || (system.matches ? "dark" : "light")) === "dark";
const probe = document.createElement("span");
document.body.append(probe);
// A colour of the style sheet as it is now, for Plotly, which knows no variables.
const css = (name) => {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
};
const wash = (hex, alpha) => {
  const part = (at) => parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
};
const brighter = { "#0072B2": "#4aa3df", "#4B5563": "#c3c9d3", "#8A7A00": "#c9b32c" }; // too dark on a dark page
const colorOf = (scheme) => (isDark() && brighter[data.schemes[scheme].color]) || data.schemes[scheme].color;
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
    annotations: more.empty ? [{ text: more.empty, showarrow: false, font: { color: css("--faint") } }] : [],
  };
}
// Plotly's own default offers to upload the chart to its makers' servers: not from this page.
const config = {
  displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
};

// Thin, dotted, open at its end: of runs that still go.
const stillGoing = (curve, color) => ({
  mode: "lines+markers", line: { color, width: 1.6, dash: "2px,3px" },
  marker: { symbol: "circle-open", color, line: { width: 1.6 }, size: curve.x.map((_, at) => (at === curve.x.length - 1 ? 9 : 0)) },
});

function lines(curves, banded, shape = "linear") {
  const traces = [];
  for (const curve of curves) {
    if (hidden.has(curve.scheme)) continue;
    const color = colorOf(curve.scheme);
    const quiet = { x: curve.x, mode: "lines", line: { width: 0, color, shape }, hoverinfo: "skip" };
    if (banded && curve.low) {
      traces.push({ ...quiet, y: curve.low });
      traces.push({ ...quiet, y: curve.high, fill: "tonexty", fillcolor: wash(color, isDark() ? 0.22 : 0.16) });
    }
    traces.push({
      x: curve.x, y: curve.y, customdata: curve.low ? curve.low.map((low, at) => [low, curve.high[at]]) : undefined,
      mode: "lines", name: plain(curve.name), line: { color, width: 2.2, dash: curve.dash || data.schemes[curve.scheme].dash, shape },
      ...(curve.going ? stillGoing(curve, color) : {}),
      hovertemplate: curve.low ? "%{y:.3g}  [%{customdata[0]:.3g}, %{customdata[1]:.3g}]" : "%{y:.3g}",
    });
  }
  return traces;
}

// Ticks at 1, 2 and 5 while there are few powers of ten.
function logAxis(curves) {
  const values = curves.flatMap((curve) => curve.y).filter((value) => value > 0);
  const decades = values.length ? Math.log10(Math.max(...values) / Math.min(...values)) : 0;
  return { type: "log", dtick: decades > 2.5 ? 1 : "D2", tickformat: "~g" };
}

function drawCurves(element, env) {
  const metric = choice.metric;
  const label = (data.metrics.find(([key]) => key === metric) || ["", ""])[1];
  const curves = env.curves.filter((c) => c.metric === metric).map((c) => ({ ...c, x: env.grids[c.grid] }));
  const log = choice.values === "log" || (choice.values === "auto" && metric === "bonus");
  const more = { x: { type: choice.axis, exponentformat: "SI" }, y: log ? logAxis(curves) : {} };
  if (!log && (metric === "normalised" || metric === "success")) more.y.range = [-0.04, 1.04];
  if (!curves.length) more.empty = `no ${plain(label)} here`;
  Plotly.react(element, lines(curves, choice.bands), layout("training frames", plain(label), more), config);
}

const charts = {
  profile: (element) => {
    const curves = data.profile.lines.map((line) => ({ ...line, x: data.profile.x }));
    Plotly.react(element, lines(curves, choice.bands, "hv"),
      layout("late normalised score τ", "share of runs above τ", { x: { range: [0, 1] }, y: { range: [-0.03, 1.04] } }), config);
  },
  shared: (element) => {
    const curves = data.shared.lines.map((line) => ({ ...line, x: data.shared.x }));
    Plotly.react(element, lines(curves, choice.bands),
      layout(data.shared.frames ? "training frames" : "share of each environment's budget", "normalised return",
        { x: { exponentformat: "SI" }, y: { range: [-0.04, 1.04] } }), config);
  },
};

// Of populations: curves against individuals that lived, and maps of where they ended.
charts.diversity = (element) => {
  const { grids, curves } = data.diversity[Number(element.dataset.env)];
  const chosen = curves.filter((c) => c.metric === element.dataset.key).map((c) => ({ ...c, x: grids[c.grid] }));
  const more = { x: { type: choice.axis, exponentformat: "SI" }, y: { rangemode: "tozero" } };
  Plotly.react(element, lines(chosen, choice.bands), layout("individuals that lived", element.dataset.title, more), config);
};
// What training told, over its frames: of designed levels, and rank correlations of learned rewards.
const overTraining = (element, y) => {
  const { grids, curves } = data.envs[Number(element.dataset.env)];
  const chosen = curves.filter((c) => c.metric === element.dataset.key).map((c) => ({ ...c, x: grids[c.grid] }));
  const more = { x: { type: choice.axis, exponentformat: "SI" }, y };
  Plotly.react(element, lines(chosen, choice.bands), layout("training frames", element.dataset.title, more), config);
};
charts.levels = (element) => overTraining(element, {});
charts.learned = (element) => overTraining(element, { range: [-1.05, 1.05] });
const sequence = ["#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"].map((colour, at) => [at / 4, colour]);
charts.map = (element) => {
  const maps = data[element.dataset.maps];
  const map = maps[Number(element.dataset.map)];
  const every = maps.filter((other) => other.env === map.env).flatMap((other) => other.z.flat()).filter((value) => value !== null);
  const [least, most] = [Math.min(...every), Math.max(...every)];
  const middles = ([low, high], count) => Array.from({ length: count }, (_, at) => low + (high - low) * (at + 0.5) / count);
  const square = (range) => ({ range, showgrid: false, zeroline: false, mirror: true, showline: true });
  const trace = {
    type: "heatmap", z: map.z, x: middles(map.x, map.z[0].length), y: middles(map.y, map.z.length), colorscale: sequence,
    zmin: least, zmax: most > least ? most : least + 1, hoverongaps: false,
    customdata: map.values ?? map.z, hovertemplate: "%{x:.3g}, %{y:.3g}: %{customdata:.3g}<extra></extra>",
    colorbar: { thickness: 12, outlinewidth: 0, tickfont: { size: 11, color: css("--soft") }, title: { text: map.values ? "rank among cells" : "best return", side: "right", font: { size: 12, color: css("--soft") } } },
  };
  const more = { x: square(map.x), y: square(map.down ? [...map.y].reverse() : map.y) };
  Plotly.react(element, [trace], { ...layout("", "", more), hovermode: "closest", dragmode: "zoom" }, config);
};

function redraw() {
  for (const draw of drawn.values()) draw();
}

// Charts are drawn when they come into sight: a page with fifty environments still opens at once.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || drawn.has(target)) continue;
    const { env, chart } = target.dataset;
    drawn.set(target, chart ? () => charts[chart](target) : () => drawCurves(target, data.envs[Number(env)]));
    drawn.get(target)();
  }
}, { rootMargin: "600px" });
document.querySelectorAll(".plot").forEach((element) => watcher.observe(element));
system.addEventListener("change", redraw);
document.getElementById("theme").addEventListener("click", () => {
  root.style.colorScheme = isDark() ? "light" : "dark";
  redraw();
});

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

// Sorting: empty cells always last, numbers as numbers.
function compare(a, b, up) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const order = isNaN(a) || isNaN(b) ? String(a).localeCompare(String(b), "en", { numeric: true }) : Number(a) - Number(b);
  return up ? order : -order;
}
function turn(header) {
  const up = header.getAttribute("aria-sort") !== "ascending";
  header.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  return up;
}
const wordsOf = (input) => input.value.toLowerCase().split(/\s+/).filter(Boolean);

document.querySelectorAll("table.sortable").forEach((table) => {
  table.querySelectorAll("thead th").forEach((header, column) => header.querySelector("button").addEventListener("click", () => {
    const up = turn(header);
    const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b), up)));
  }));
});
document.querySelectorAll("input[data-filter]").forEach((input) => input.addEventListener("input", () => {
  const words = wordsOf(input);
  const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const left = rows.filter((row) => !row.hidden).length;
  document.querySelector(`[data-count="${input.dataset.filter}"]`).textContent = words.length ? `${left} of ${rows.length} rows` : "";
}));

// --- runs: a list of thousands is data first, rows as far as they are looked at ---------------------------------------
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const amount = (value) => {
  if (value === undefined || value === null) return "";
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  return String(value);
};
const titled = (run) => (run.folder ? `${run.folder}: ${run.name}` : run.name);
const listed = [
  ...data.runs.map((run, place) => {
    const setting = data.settings[run.setting];
    const last = run.y && run.y.length ? run.y[run.y.length - 1] : null;
    const said = [run.error, ...(run.notes || [])].filter(Boolean).join(" · ");
    return { place, setting, state: run.state, cells: [titled(run), setting.env, setting.name, run.seed, run.state, run.frames, last === null ? "" : last, said], run };
  }),
  ...data.problems.map((problem) => ({ state: problem.state, cells: [titled(problem), "", "", "", problem.state, "", "", problem.reason] })),
];
for (const item of listed) item.text = item.cells.join(" ").toLowerCase();
const runs = { column: -1, up: true, most: 100 };

function swatch(scheme) {
  const { color, dash } = data.schemes[scheme];
  const made = element("span", { class: `swatch ${dash}` });
  made.style.background = color;
  return made;
}
function runRow({ place, setting, cells, run, state }) {
  const name = place === undefined ? element("span", {}, cells[0]) : element("button", { type: "button", class: "link", "data-run": place }, cells[0]);
  const badge = element("span", { class: `badge ${state}` }, state);
  const scheme = setting ? [swatch(setting.scheme), cells[2]] : [];
  const frames = run ? [amount(run.frames) || "0", element("small", {}, `of ${amount(run.budget)}`)] : [];
  const text = (...children) => element("td", { class: "text" }, ...children);
  return element("tr", {}, text(name), text(cells[1]), text(...scheme), element("td", {}, String(cells[3])), text(badge),
    element("td", {}, ...frames), element("td", {}, cells[6] === "" ? "" : cells[6].toFixed(2)), text(cells[7]));
}
function listRuns() {
  const words = wordsOf(document.getElementById("runs-filter"));
  const state = document.getElementById("runs-state").value;
  const left = listed.filter((item) => (state === "all" || item.state === state) && words.every((word) => item.text.includes(word)));
  if (runs.column >= 0) left.sort((a, b) => compare(a.cells[runs.column], b.cells[runs.column], runs.up));
  document.getElementById("runs-table").tBodies[0].replaceChildren(...left.slice(0, runs.most).map(runRow));
  const more = document.getElementById("runs-more");
  more.hidden = left.length <= runs.most;
  more.textContent = `Show ${Math.min(1000, left.length - runs.most)} more`;
  const shown = Math.min(left.length, runs.most);
  document.getElementById("runs-count").textContent = shown < listed.length ? `${shown} of ${listed.length} runs` : "";
}
if (document.getElementById("runs-table")) {
  for (const id of ["runs-filter", "runs-state"]) document.getElementById(id).addEventListener("input", () => { runs.most = 100; listRuns(); });
  document.getElementById("runs-more").addEventListener("click", () => { runs.most += 1000; listRuns(); });
  document.querySelectorAll("#runs-table thead th").forEach((header, column) => header.querySelector("button").addEventListener("click", () => {
    runs.up = turn(header);
    runs.column = column;
    listRuns();
  }));
  listRuns();
}

// --- one run -----------------------------------------------------------------------------------------------------------
const dialog = document.getElementById("run");
let opened = null;

function commandLine(text) {
  const copy = element("button", { type: "button", class: "chip" }, "copy");
  copy.addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents(copy.nextSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    const done = () => { copy.textContent = "copied"; };
    // Pages opened from a file may not always use the clipboard: then the text is at least selected.
    navigator.clipboard ? navigator.clipboard.writeText(text).then(done, () => document.execCommand("copy") && done()) : document.execCommand("copy") && done();
  });
  return element("div", { class: "command" }, copy, element("code", {}, text));
}
function drawRun(plot, place) {
  const run = data.runs[place];
  const setting = data.settings[run.setting];
  const color = colorOf(setting.scheme);
  const others = data.runs.filter((other, at) => other.setting === run.setting && at !== place && other.y && other.y.length);
  const traces = others.slice(0, 30).map((other) => ({
    x: data.grids[other.grid], y: other.y, mode: "lines", opacity: 0.4, line: { color: css("--faint"), width: 1.2 }, hoverinfo: "skip",
  }));
  traces.push({ x: data.grids[run.grid], y: run.y, mode: "lines+markers", marker: { size: 4 }, line: { color, width: 2.4 },
    name: "return", hovertemplate: "%{y:.3g}" });
  Plotly.react(plot, traces, layout("training frames", "return", { x: { exponentformat: "SI" }, y: {} }), config);
}
function openRun(place) {
  const run = data.runs[place];
  if (!run || !dialog) return;
  const setting = data.settings[run.setting];
  const body = document.getElementById("run-body");
  const close = element("button", { type: "button", class: "chip close", "aria-label": "close" }, "✕");
  close.addEventListener("click", () => dialog.close());
  const facts = [
    ["scheme", setting.name], ["environment", setting.env], ["agent", setting.agent], ["seed", run.seed],
    ["frames", `${amount(run.frames) || 0} of ${amount(run.budget)}`], ["started", run.started], ["last written", run.updated],
    ["ran on", run.where], ["commit", run.git], ["versions", data.versions[run.versions]], ["continued", run.resume],
    ["setting", setting.id], ["could not be used", (run.notes || []).join("; ")],
  ].filter(([, value]) => value !== undefined && value !== "" && value !== null);
  const list = element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  const curve = element("div", { class: "plot" });
  const parts = [
    close, element("h2", {}, swatch(setting.scheme), `${setting.name} on ${setting.env}, seed ${run.seed}`),
    element("p", {}, element("span", { class: `badge ${run.state}` }, run.state), " ", element("span", { class: "facts" }, titled(run))),
  ];
  if (run.error) parts.push(element("p", { class: "error" }, run.error));
  const seen = element("div", { class: "seen" }, element("div", {}, element("h3", {}, "Evaluations, other seeds in grey"), curve));
  const picture = data.pictures[place];
  if (picture) seen.append(element("figure", {}, element("img", { src: `data:image/gif;base64,${picture}`, alt: "the policy at play" }), element("figcaption", {}, "the policy at play (play.gif)")));
  parts.push(seen, element("h3", {}, "Repeat it"), commandLine(run.repeat));
  if (run.command) parts.push(element("p", { class: "note" }, "It was started as"), commandLine(run.command));
  const keys = Object.entries(setting.config).concat([["seed", String(run.seed)]]).sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = keys.map(([key, value]) => element("tr", {}, element("td", { class: "text" }, key), element("td", { class: "text" }, value)));
  parts.push(list, element("details", {}, element("summary", {}, `Config (${keys.length} keys)`),
    element("div", { class: "scroll" }, element("table", { class: "config" }, element("tbody", {}, ...rows)))));
  body.replaceChildren(...parts);
  opened = place;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  if (run.y && run.y.length) {
    drawn.set(dialog, () => drawRun(curve, place));
    drawRun(curve, place);
  } else {
    curve.replaceWith(element("p", { class: "note" }, "No evaluation yet."));
  }
  history.replaceState(null, "", `#run=${encodeURIComponent(titled(run))}`);
}
function fromAddress() {
  const found = location.hash.match(/^#run=(.*)$/);
  if (!found) return;
  let name = "";
  try { name = decodeURIComponent(found[1]); } catch { return; }
  const place = data.runs.findIndex((run) => titled(run) === name);
  if (place >= 0 && place !== opened) openRun(place);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-run]");
  if (button) openRun(Number(button.dataset.run));
  else if (event.target === dialog) dialog.close();
});
if (dialog) {
  dialog.addEventListener("close", () => {
    opened = null;
    drawn.delete(dialog);
    history.replaceState(null, "", location.pathname + location.search);
  });
}
window.addEventListener("hashchange", fromAddress);
fromAddress();
