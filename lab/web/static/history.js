// The chart of one machine over any span: one strip per chosen signal, two values a pixel, and files of every sample.
// Times are typed and shown in the lab's zone, whatever the browser's is.

const WIDTH = 1000;
const HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";
const SHORTEST_MS = 1000;

const history = document.getElementById("history");
const form = document.getElementById("history-form");
const status = document.getElementById("history-status");
const strips = document.getElementById("history-strips");
const zone = history.dataset.zone;
const loadedAt = performance.now();
const moment = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
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

function number(value) {
  const text = Number(value.toPrecision(4)).toLocaleString("en-GB", { maximumFractionDigits: 9, useGrouping: false });
  return text.replace("-", "−");
}

function element(name, attributes, parent, space = null) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
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

async function load() {
  const boxes = chosen();
  const mine = ++asked;
  if (boxes.length === 0) {
    strips.replaceChildren();
    status.textContent = "choose a signal";
    return;
  }
  status.textContent = "loading …";
  const width = Math.max(2, Math.min(8000, Math.round(strips.clientWidth * window.devicePixelRatio) || 600));
  try {
    const response = await fetch(addressOf("history", [["width_px", width], ...boxes.map((box) => ["signal", box.value])]));
    const answer = await response.json();
    if (mine !== asked) return; // something else was asked for meanwhile
    if (!response.ok) throw new Error(answer.detail);
    strips.replaceChildren();
    let found = false;
    for (const box of boxes) {
      drawStrip(box, answer.signals[box.value]);
      found ||= answer.signals[box.value].points.length > 0;
    }
    status.textContent = found ? "" : "nothing was recorded in this span, or nothing that you may see";
  } catch (error) {
    if (mine === asked) status.textContent = `this cannot be shown just now: ${error.message}`;
  }
}

function drawStrip(box, series) {
  const strip = element("section", { class: "strip" }, strips);
  const head = element("header", {}, strip);
  element("span", {}, head).textContent = box.dataset.label;
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, strip, SVG);
  for (const y of [1, HEIGHT / 2, HEIGHT - 1]) element("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }, svg, SVG);
  const axis = element("div", { class: "axis" }, strip);
  const [from, middle, to] = [0, 1, 2].map(() => element("span", {}, axis));
  from.textContent = moment.format(span[0]);
  to.textContent = moment.format(span[1]);
  const points = series.points;
  if (points.length === 0) {
    middle.textContent = "no values";
    return;
  }
  let low = Infinity;
  let high = -Infinity;
  for (const point of points) {
    low = Math.min(low, point[1]);
    high = Math.max(high, point[point.length - 1]);
  }
  const unit = box.dataset.unit ? ` ${box.dataset.unit}` : "";
  const range = (low === high ? number(low) : `${number(low)} to ${number(high)}`) + unit;
  middle.textContent = range;
  svg.setAttribute("aria-label", `${box.dataset.label}: ${range}`);
  const centre = (low + high) / 2;
  const half = Math.max((high - low) / 2, Math.abs(centre) * 0.01, 1e-9) * 1.08;
  const x = (t) => (((t - span[0]) / (span[1] - span[0])) * WIDTH).toFixed(2);
  const y = (value) => (HEIGHT / 2 - ((value - centre) / half) * (HEIGHT / 2)).toFixed(1);
  for (const piece of pieces(points)) {
    if (series.reduced) {
      const over = piece.map((point) => `${x(point[0])} ${y(point[2])}`);
      const under = piece.map((point) => `${x(point[0])} ${y(point[1])}`).reverse();
      element("path", { class: "band", d: `M${[...over, ...under].join("L")}Z` }, svg, SVG);
    } else {
      const dot = piece.length === 1 ? "h1" : ""; // a single sample is seen too
      element("path", { class: "trace", d: `M${piece.map((point) => `${x(point[0])} ${y(point[1])}`).join("L")}${dot}` }, svg, SVG);
    }
  }
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
takePreset();
