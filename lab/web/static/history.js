// The chart of one machine over any span: one strip per chosen signal, two values a pixel, and files of every sample.
// Times are typed and shown in the lab's zone, whatever the browser's is.

import { Chart, number, redrawOnTheme } from "./charts.js";

const SHORTEST_MS = 1000;

const history = document.getElementById("history");
const form = document.getElementById("history-form");
const status = document.getElementById("history-status");
const strips = document.getElementById("history-strips");
const zone = history.dataset.zone;
const loadedAt = performance.now();
const words = JSON.parse(history.dataset.words);
const charts = [];
const wall = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });

let span = null; // [start, end) in ms since 1970
let asked = 0;
let resizing = null;

function present() {
  return Number(history.dataset.now) * 1000 + (performance.now() - loadedAt);
}

function typed(instant) {
  return wall.format(instant).replace(" ", "T");
}

// The instant at which the lab's clocks show this; of an hour that comes twice, the first.
function instantOf(text) {
  const meant = Date.parse(`${text}Z`);
  const shows = (instant) => Date.parse(`${typed(instant)}Z`);
  const before = meant - (shows(meant - 86_400_000) - (meant - 86_400_000));
  if (shows(before) === meant) return before;
  return meant - (shows(meant + 86_400_000) - (meant + 86_400_000));
}

function chosen() {
  return [...history.querySelectorAll("input[name=past]:checked")];
}

function addressOf(what, parameters) {
  const query = new URLSearchParams({ start: new Date(span[0]).toISOString(), end: new Date(span[1]).toISOString() });
  for (const [name, value] of parameters) query.append(name, value);
  return `${history.dataset.address}/${what}?${query}`;
}

function take(start, end, preset = "") {
  const length = Math.max(end - start, SHORTEST_MS);
  span = [Math.round(start), Math.round(start + length)];
  form.elements.preset.value = preset;
  form.elements.from.value = typed(span[0]);
  form.elements.to.value = typed(span[1]);
  for (const link of history.querySelectorAll("a[data-format]")) {
    link.href = addressOf("download", [["format", link.dataset.format]]);
  }
  load();
}

function takePreset() {
  const [first, second] = form.elements.preset.value.split(" ").map(Number);
  if (second) take(first * 1000, second * 1000, form.elements.preset.value);
  else if (first) take(present() - first * 1000, present(), form.elements.preset.value);
}

function clear() {
  for (const chart of charts.splice(0)) chart.remove();
}

async function load() {
  const boxes = chosen();
  const mine = ++asked;
  if (boxes.length === 0) {
    clear();
    status.textContent = words.choose;
    return;
  }
  status.textContent = words.loading;
  const width = Math.max(2, Math.min(8000, Math.round(strips.clientWidth * window.devicePixelRatio) || 600));
  try {
    const response = await fetch(addressOf("history", [["width_px", width], ...boxes.map((box) => ["signal", box.value])]));
    const answer = await response.json();
    if (mine !== asked) return; // something else was asked for meanwhile
    if (!response.ok) throw new Error(answer.detail);
    clear();
    let found = false;
    for (const [place, box] of boxes.entries()) {
      drawStrip(box, answer.signals[box.value], place);
      found ||= answer.signals[box.value].points.length > 0;
    }
    status.textContent = found ? "" : words.nothing;
  } catch (error) {
    if (mine === asked) status.textContent = `${words.failed} ${error.message}`;
  }
}

function drawStrip(box, series, place) {
  const { label, unit } = box.dataset;
  const chart = new Chart(strips, { label, unit, place, zone, banded: series.reduced, range: () => [span[0] / 1000, span[1] / 1000], onSelect: take });
  charts.push(chart);
  const points = series.points;
  if (points.length === 0) {
    chart.value.textContent = words.none;
    return;
  }
  let [low, high] = [Infinity, -Infinity];
  for (const point of points) {
    low = Math.min(low, point[1]);
    high = Math.max(high, point[point.length - 1]);
  }
  const range = (low === high ? number(low) : `${number(low)} ${words.to} ${number(high)}`) + (unit ? ` ${unit}` : "");
  chart.set(rowsOf(points, series.reduced), { newest: range, spoken: () => `${label}: ${range}` });
  chart.box.dataset.pieces = pieces(points).length;
  chart.box.dataset.reduced = series.reduced;
}

// The rows of a chart, with nothing where nothing was measured for long.
function rowsOf(points, reduced) {
  const rows = reduced ? [[], [], []] : [[], []];
  for (const piece of pieces(points)) {
    if (rows[0].length) {
      rows[0].push(piece[0][0] / 1000 - 1e-6);
      for (const row of rows.slice(1)) row.push(null);
    }
    for (const point of piece) {
      rows[0].push(point[0] / 1000);
      rows[1].push(Number(point[1]));
      if (reduced) rows[2].push(Number(point[2]));
    }
  }
  return rows;
}

// The curve is not drawn where nothing was measured for much longer than usual.
function pieces(points) {
  const steps = points.slice(1).map((point, index) => point[0] - points[index][0]).sort((a, b) => a - b);
  const usual = steps.length ? steps[Math.floor(steps.length / 2)] : 0;
  const gap = Math.max(usual * 5, (span[1] - span[0]) / 200);
  const found = [[points[0]]];
  for (let index = 1; index < points.length; index += 1) {
    if (points[index][0] - points[index - 1][0] > gap) found.push([]);
    found.at(-1).push(points[index]);
  }
  return found;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  take(instantOf(form.elements.from.value), instantOf(form.elements.to.value));
});
form.elements.preset.addEventListener("change", takePreset);
history.addEventListener("change", (event) => {
  if (event.target.name === "past") load();
});
history.addEventListener("click", (event) => {
  const step = event.target.dataset.step;
  if (!step) return;
  const [start, end] = span;
  const length = end - start;
  if (step === "earlier") take(start - length / 2, end - length / 2);
  if (step === "later") take(start + length / 2, end + length / 2);
  if (step === "closer") take(start + length / 4, end - length / 4);
  if (step === "wider") take(start - length / 2, end + length / 2);
});
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(load, 300);
});
redrawOnTheme(() => charts);
takePreset();
