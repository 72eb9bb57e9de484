// The live chart of one machine: one strip per chosen signal over the last minute, and the table of newest values.
// It reads Server-Sent Events, keeps a short window of points, and draws plain SVG.

const WINDOW_MS = 60_000;
const WIDTH = 1000;
const HEIGHT = 120;
const SILENCE_MS = 10_000;
const SVG = "http://www.w3.org/2000/svg";

const live = document.getElementById("live");
const status = document.getElementById("live-status");
const strips = document.getElementById("strips");
const zone = live.dataset.zone;
const clockTime = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short", year: "numeric" });

const points = new Map(); // signal → [[t_ms, value], …], t_ms increasing
const newest = new Map(); // signal → [t_ms, value]
const shown = new Map(); // signal → the strip's elements
let labTime = null; // of the last frame, ms
let frameAt = 0; // performance.now() of the last frame with values
let brokerThere = true;
let brokerSeen = false;
let ended = false;
let source = null;
let drawing = false;
let tableWrittenAt = 0;

function say(text, kind) {
  if (status.textContent !== text) status.textContent = text;
  status.className = `live-status ${kind}`;
}

function take(frame) {
  labTime = Math.max(labTime ?? frame.t, frame.t);
  for (const [signal, news] of Object.entries(frame.values)) {
    const known = points.get(signal) ?? [];
    const last = newest.get(signal)?.[0] ?? -Infinity;
    for (const point of news) if (point[0] > last) known.push(point);
    while (known.length && known[0][0] < labTime - WINDOW_MS) known.shift();
    points.set(signal, known);
    if (news.length && news.at(-1)[0] > last) newest.set(signal, news.at(-1));
    frameAt = performance.now();
  }
  redraw();
}

function open() {
  if (source || ended) return;
  say("connecting …", "");
  source = new EventSource(live.dataset.address);
  source.addEventListener("values", (event) => {
    take(JSON.parse(event.data));
    showState();
  });
  source.addEventListener("status", (event) => {
    brokerThere = JSON.parse(event.data).broker;
    brokerSeen ||= brokerThere;
    showState();
  });
  source.addEventListener("end", (event) => {
    if (JSON.parse(event.data).reason !== "access") return; // the server restarts; the browser reconnects by itself
    ended = true;
    close();
    say("your slot has ended", "");
  });
  source.addEventListener("error", () => {
    if (!ended) say("connection lost, trying again …", "lost");
    if (source?.readyState === EventSource.CLOSED) {
      // Refused for good (signed out, or no right any more): look again in a while.
      close();
      if (!document.hidden) setTimeout(open, 10_000);
    }
  });
}

function close() {
  source?.close();
  source = null;
}

function showState() {
  if (ended || source?.readyState !== EventSource.OPEN) return;
  if (!brokerThere && brokerSeen) say("connection to the machines lost, trying again …", "lost");
  else if (!brokerThere) say("connecting to the machines …", "");
  else if (newest.size === 0) say("connected, waiting for the machine", "");
  else if (performance.now() - frameAt > SILENCE_MS) say("connected, the machine is silent", "");
  else say("live", "on");
}

function number(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  const text = Number(value.toPrecision(4)).toLocaleString("en-GB", { maximumFractionDigits: 9, useGrouping: false });
  return text.replace("-", "−");
}

function element(name, attributes = {}, parent = null, space = null) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

function makeStrip(box) {
  const strip = element("section", { class: "strip" });
  const head = element("header", {}, strip);
  element("span", {}, head).textContent = box.dataset.label;
  const value = element("b", {}, head);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, strip, SVG);
  for (const y of [1, HEIGHT / 2, HEIGHT - 1]) element("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }, svg, SVG);
  const trace = element("path", { class: "trace", d: "" }, svg, SVG);
  const axis = element("div", { class: "axis" }, strip);
  const from = element("span", {}, axis);
  const range = element("span", {}, axis);
  const to = element("span", {}, axis);
  return { strip, value, svg, trace, from, range, to, unit: box.dataset.unit, label: box.dataset.label };
}

function arrange() {
  for (const box of live.querySelectorAll("input[name=signal]")) {
    if (box.checked && !shown.has(box.value)) shown.set(box.value, makeStrip(box));
    if (!box.checked) shown.delete(box.value);
  }
  const order = [...live.querySelectorAll("input[name=signal]:checked")].map((box) => shown.get(box.value).strip);
  strips.replaceChildren(...order);
  redraw();
}

function redraw() {
  if (drawing || document.hidden) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const [signal, parts] of shown) drawStrip(points.get(signal) ?? [], newest.get(signal), parts);
    if (performance.now() - tableWrittenAt > 1000) writeTable();
  });
}

function drawStrip(series, last, parts) {
  const unit = parts.unit ? ` ${parts.unit}` : "";
  parts.value.textContent = last ? number(last[1]) + unit : "no value yet";
  if (labTime === null) return;
  const start = labTime - WINDOW_MS;
  parts.from.textContent = clockTime.format(start);
  parts.to.textContent = clockTime.format(labTime);
  const visible = series.filter(([t]) => t >= start);
  if (visible.length === 0) {
    parts.trace.setAttribute("d", "");
    parts.range.textContent = "";
    return;
  }
  const low = Math.min(...visible.map((point) => point[1]));
  const high = Math.max(...visible.map((point) => point[1]));
  const middle = (low + high) / 2;
  const half = Math.max((high - low) / 2, Math.abs(middle) * 0.01, 1e-9) * 1.08;
  let path = "";
  for (const [t, value] of visible) {
    const x = ((t - start) / WINDOW_MS) * WIDTH;
    const y = HEIGHT / 2 - ((value - middle) / half) * (HEIGHT / 2);
    path += `${path ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  parts.trace.setAttribute("d", path);
  const range = (number(low) === number(high) ? number(low) : `${number(low)} to ${number(high)}`) + unit;
  parts.range.textContent = range;
  parts.svg.setAttribute("aria-label", `${parts.label}, last minute: ${range}`);
}

function writeTable() {
  tableWrittenAt = performance.now();
  for (const [signal, [t, value]] of newest) {
    const row = document.querySelector(`#latest tr[data-signal="${CSS.escape(signal)}"]`);
    if (!row) continue;
    row.cells[1].textContent = number(value);
    row.cells[3].textContent = `${dayAndTime.format(t).replace(",", "")}, ${clockTime.format(t)}`;
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    close(); // nobody looks: the server need not send
  } else {
    open();
    redraw();
  }
});
live.addEventListener("change", arrange);
setInterval(() => {
  showState();
  if (!document.hidden) writeTable();
}, 2000);
arrange();
if (!document.hidden) open();
