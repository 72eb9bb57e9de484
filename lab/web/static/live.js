// Live values of one or several machines: one chart per chosen signal over the last minutes, all with one cursor, and
// the table of newest values. It reads Server-Sent Events and keeps a window of points.

import { Chart, number, redrawOnTheme, steadyNumber, timeFormat } from "./charts.js";
import { LookingBack } from "./looking-back.js";
import { readPast, showPast } from "./past.js";
import { writtenDay } from "./written-times.js";

const SILENCE_MS = 10_000;
const RATE_MS = 10_000;
const MANY_CHARTS = 8;
const MANY_PAUSE_MS = 140;
const MARKS = JSON.parse(document.getElementById("live-marks")?.dataset.marks ?? "[]"); // [s, text] of each note
const WORDS = JSON.parse(document.getElementById("live-words").dataset.words);
const BAR = document.getElementById("looking-back");
let lookingBack = null;

class LiveMachine {
  constructor(section) {
    this.section = section;
    this.zone = section.dataset.zone;
    this.windowMs = 60_000;
    this.status = section.querySelector(".live-status");
    this.quality = section.querySelector(".live-quality");
    this.strips = section.querySelector(".strips");
    const table = section.querySelector("table") ?? document.getElementById("latest");
    this.rows = new Map([...(table?.querySelectorAll("tr[data-signal]") ?? [])].map((row) => [row.dataset.signal, row]));
    this.clock = timeFormat(this.zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.series = new Map(); // signal → { t: [s…], v: […] }, t increasing
    this.newest = new Map(); // signal → [t_ms, value]
    this.charts = new Map(); // signal → Chart
    this.arrivals = []; // performance.now() and number of values of each frame
    this.gaps = 0;
    this.labTime = null;
    this.brokerThere = true;
    this.past = null; // what is shown instead of the newest values: [start, end) in ms
    this.held = false; // somebody drags over a chart: it stands still as long
    this.strips.addEventListener("pointerdown", () => { this.held = BAR !== null; });
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { this.held = false; });
    this.section.addEventListener("change", (event) => this.changed(event));
    this.arrange();
  }

  say(text, kind) {
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.className = `live-status ${kind}`;
  }

  open() {
    if (this.source || this.ended) return;
    this.say(WORDS.connecting, "");
    this.caughtUp = false;
    this.source = new EventSource(this.section.dataset.address);
    this.source.addEventListener("values", (event) => {
      this.take(JSON.parse(event.data));
      this.showState();
    });
    this.source.addEventListener("status", (event) => {
      this.brokerThere = JSON.parse(event.data).broker;
      this.brokerSeen ||= this.brokerThere;
      this.showState();
    });
    this.source.addEventListener("end", (event) => {
      if (JSON.parse(event.data).reason !== "access") return; // the server restarts; the browser reconnects by itself
      this.ended = true;
      this.close();
      this.say(WORDS.ended, "");
    });
    this.source.addEventListener("error", () => {
      if (!this.ended) this.say(WORDS.lost, "lost");
      if (this.source?.readyState === EventSource.CLOSED) {
        // Refused for good (signed out, or no right any more): look again in a while.
        this.close();
        if (!document.hidden) setTimeout(() => this.open(), 10_000);
      }
    });
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  take(frame) {
    this.labTime = Math.max(this.labTime ?? frame.t, frame.t);
    let count = 0;
    for (const [signal, news] of Object.entries(frame.values)) {
      const last = this.newest.get(signal)?.[0] ?? -Infinity;
      let known = this.series.get(signal);
      if (!known) this.series.set(signal, (known = { t: [], v: [] }));
      for (const [t, value] of news) {
        if (t <= last) continue;
        known.t.push(t / 1000);
        known.v.push(typeof value === "number" ? value : null);
        count += 1;
      }
      this.forget(known);
      if (news.length && news.at(-1)[0] > last) {
        if (Number.isFinite(last) && news.at(-1)[0] - last > SILENCE_MS) this.gaps += 1;
        this.newest.set(signal, news.at(-1));
      }
    }
    if (count) {
      this.frameAt = performance.now();
      if (this.caughtUp) this.arrivals.push([this.frameAt, count]);
      this.caughtUp = true; // the first frame tells of the past
    }
    this.redraw();
  }

  forget(known) {
    const oldest = (this.labTime - 900_000) / 1000;
    let first = 0;
    while (first < known.t.length && known.t[first] < oldest) first += 1;
    if (first > 200) {
      known.t.splice(0, first);
      known.v.splice(0, first);
    }
  }

  showState() {
    if (this.ended || this.source?.readyState !== EventSource.OPEN) return;
    if (!this.brokerThere && this.brokerSeen) this.say(WORDS.brokerLost, "lost");
    else if (!this.brokerThere) this.say(WORDS.brokerConnecting, "");
    else if (this.newest.size === 0) this.say(WORDS.waiting, "");
    else if (performance.now() - this.frameAt > SILENCE_MS) this.say(WORDS.silent, "");
    else this.say(WORDS.live, "on");
  }

  changed(event) {
    if (event.target.name === "window") {
      this.windowMs = Number(event.target.value) * 1000;
      lookingBack?.live();
    }
    if (event.target.name === "signal") {
      this.arrange();
      if (this.past) lookingBack.show();
    }
    this.redraw();
  }

  arrange() {
    const boxes = [...this.section.querySelectorAll("input[name=signal]")];
    boxes.forEach((box, place) => {
      if (box.checked && !this.charts.has(box.value)) {
        const { label, unit } = box.dataset;
        const limits = (box.dataset.limits ?? "").split(" ").filter(Boolean).map(Number);
        const onSelect = BAR && ((start, end) => lookingBack.select(start, end));
        const chart = new Chart(this.strips, { label, unit, place, zone: this.zone, limits, marks: MARKS, range: () => this.range(), onSelect });
        chart.newest = WORDS.none;
        chart.value.textContent = WORDS.none;
        this.charts.set(box.value, chart);
      }
      if (!box.checked && this.charts.has(box.value)) {
        this.charts.get(box.value).remove();
        this.charts.delete(box.value);
      }
    });
    for (const box of boxes) if (box.checked) this.strips.append(this.charts.get(box.value).frame);
    this.redraw();
  }

  // What the charts show, in s since 1970.
  range() {
    if (this.past) return this.past.map((instant) => instant / 1000);
    return this.labTime === null ? [0, 60] : [(this.labTime - this.windowMs) / 1000, this.labTime / 1000];
  }

  // Shows a span of the past until the next call, `null`: the newest values again; gives whether anything was measured.
  async look(span, about, words) {
    this.past = span;
    if (!span) {
      for (const chart of this.charts.values()) chart.band(false);
      this.redraw();
      return true;
    }
    if (this.charts.size === 0) return false;
    const width = Math.max(...[...this.charts.values()].map((chart) => chart.plot.bbox.width));
    const found = await readPast(this.section.dataset.device, span, width, this.charts.keys());
    if (span !== this.past) return true; // something else was asked for meanwhile
    for (const [signal, chart] of this.charts) {
      if (!found[signal]) continue; // chosen since
      chart.band(found[signal].reduced);
      showPast(chart, found[signal], span, `${chart.settings.label}, ${about}`, words);
    }
    return Object.values(found).some((series) => series.points.length > 0);
  }

  // Many charts are drawn somewhat less often than values come: the eye does not follow twenty at once.
  redraw() {
    if (this.drawing || document.hidden) return;
    this.drawing = true;
    const pause = this.charts.size > MANY_CHARTS ? MANY_PAUSE_MS - (performance.now() - (this.drawnAt ?? 0)) : 0;
    setTimeout(() => requestAnimationFrame(() => {
      this.drawing = false;
      this.drawnAt = performance.now();
      if (this.labTime === null) return;
      const [start] = this.range();
      const still = this.past || this.held;
      for (const [signal, chart] of still ? [] : this.charts) this.drawChart(chart, this.series.get(signal), this.newest.get(signal), start);
      if (performance.now() - (this.writtenAt ?? -Infinity) > 1000) this.writeTable();
    }), Math.max(0, pause));
  }

  drawChart(chart, known, last, start) {
    const unit = chart.settings.unit ? `\u00a0${chart.settings.unit}` : "";
    if (!known || !last) return;
    const first = firstAfter(known.t, start);
    const [t, v] = first ? [known.t.slice(first), known.v.slice(first)] : [known.t, known.v];
    const spoken = () => {
      let [low, high] = [Infinity, -Infinity];
      for (const value of v) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const range = t.length ? (number(low) === number(high) ? number(low) : `${number(low)} ${WORDS.to} ${number(high)}`) + unit : "";
      const minutes = this.windowMs === 60_000 ? WORDS.lastMinute : WORDS.lastMinutes.replace("{n}", this.windowMs / 60_000);
      return `${chart.settings.label}, ${minutes}: ${range}`;
    };
    chart.set([t, v], { newest: steadyNumber(last[1], WORDS) + unit, spoken });
  }

  writeTable() {
    this.writtenAt = performance.now();
    for (const [signal, [t, value]] of this.newest) {
      const row = this.rows.get(signal);
      if (!row) continue;
      row.cells[1].textContent = number(value, WORDS);
      row.cells[3].textContent = `${writtenDay(t, this.zone)}, ${this.clock.format(t)}`;
    }
    if (!this.quality || this.frameAt === undefined) return;
    const now = performance.now();
    while (this.arrivals.length && this.arrivals[0][0] < now - RATE_MS) this.arrivals.shift();
    const rate = this.arrivals.reduce((sum, [, count]) => sum + count, 0) / (RATE_MS / 1000);
    this.quality.textContent = WORDS.quality
      .replace("{rate}", number(rate))
      .replace("{ago}", number(Math.round((now - this.frameAt) / 100) / 10))
      .replace("{gaps}", this.gaps);
  }
}

// Where the window begins: times only grow.
function firstAfter(times, start) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

const machines = [...document.querySelectorAll("[data-live]")].map((section) => new LiveMachine(section));
if (BAR && machines.length) lookingBack = new LookingBack(BAR, machines);
redrawOnTheme(() => machines.flatMap((machine) => [...machine.charts.values()]));
document.addEventListener("visibilitychange", () => {
  for (const machine of machines) {
    if (document.hidden) machine.close(); // nobody looks: the server need not send
    else {
      machine.open();
      machine.redraw();
    }
  }
});
setInterval(() => {
  for (const machine of machines) {
    machine.showState();
    if (!document.hidden) machine.writeTable();
  }
}, 2000);
for (const machine of machines) if (!document.hidden) machine.open();
