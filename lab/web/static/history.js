// The chart of one machine over any span: one strip per chosen signal, two values a pixel, and files of every sample.
// Times are typed and shown in the lab's zone, whatever the browser's is.

import { Chart, redrawOnTheme } from "./charts.js";
import { readPast, showPast } from "./past.js";

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

function take(start, end, preset = "") {
  const length = Math.max(end - start, SHORTEST_MS);
  span = [Math.round(start), Math.round(start + length)];
  form.elements.preset.value = preset;
  form.elements.from.value = typed(span[0]);
  form.elements.to.value = typed(span[1]);
  for (const link of history.querySelectorAll("a[data-format]")) {
    const [from, to] = span.map((instant) => new Date(instant).toISOString());
    const query = new URLSearchParams({ start: from, end: to, format: link.dataset.format });
    link.href = `/api/v1/devices/${encodeURIComponent(history.dataset.device)}/download?${query}`;
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
  const width = strips.clientWidth * window.devicePixelRatio || 600;
  try {
    const signals = await readPast(history.dataset.device, span, width, boxes.map((box) => box.value));
    if (mine !== asked) return; // something else was asked for meanwhile
    clear();
    let found = false;
    for (const [place, box] of boxes.entries()) {
      drawStrip(box, signals[box.value], place);
      found ||= signals[box.value].points.length > 0;
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
  showPast(chart, series, span, label, words);
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
