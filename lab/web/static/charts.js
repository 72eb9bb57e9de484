// What live and past curves have in common: colours of the theme, numbers, times in the lab's zone, and the chart itself.
// Curves are drawn by uPlot on a canvas; what a canvas cannot say to a screen reader, its label and a table say.

const sync = window.uPlot.sync("lab");
const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const written = new Intl.NumberFormat(language, { maximumFractionDigits: 9, useGrouping: false });
const steady = new Intl.NumberFormat(language, { minimumSignificantDigits: 4, maximumSignificantDigits: 4, useGrouping: false });

export function number(value, words = { yes: "yes", no: "no" }) {
  if (typeof value === "boolean") return value ? words.yes : words.no;
  if (typeof value !== "number") return String(value);
  return written.format(Number(value.toPrecision(4))).replace("-", "−");
}

// As `number`, with four digits even if the last ones are zero: beside a live chart nothing shall jump to and fro.
export function steadyNumber(value, words) {
  if (typeof value !== "number" || Number.isInteger(value) || Math.abs(value) < 1e-5) return number(value, words);
  return steady.format(value).replace("-", "−");
}

export function timeFormat(zone, parts) {
  return new Intl.DateTimeFormat(language, { timeZone: zone, ...parts });
}

export function element(name, attributes = {}, parent = null) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

// The theme's colours as they are now: a canvas knows no style sheet.
function colour(name) {
  const probe = element("span", { hidden: "" }, document.body);
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function alpha(rgb, share) {
  return rgb.replace("rgb(", "rgba(").replace(")", `, ${share})`);
}

export class Chart {
  // `limits` are numbers at which a line is drawn, `marks` notes with their moment; `banded` charts have three rows: time, lowest, highest.
  constructor(parent, { label, unit, place, zone, limits = [], marks = [], banded = false, range = null, onSelect = null }) {
    this.settings = { label, unit, place, zone, limits, marks, banded, range, onSelect };
    this.frame = element("section", { class: "strip" }, parent);
    const head = element("header", {}, this.frame);
    element("span", {}, head).textContent = label;
    this.value = element("b", {}, head);
    this.box = element("div", { class: "plot", role: "img", "aria-label": label }, this.frame);
    this.data = banded ? [[], [], []] : [[], []];
    this.draw();
    this.resizing = new ResizeObserver(() => {
      const width = this.box.clientWidth;
      if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
    });
    this.resizing.observe(this.box);
  }

  // From now on curves of single values, or of the lowest and highest; what is shown comes with `set`.
  band(banded) {
    this.settings.banded = banded;
    this.data = banded ? [[], [], []] : [[], []];
    this.draw();
  }

  draw() {
    this.plot?.destroy();
    const { place, zone, banded, limits, marks, range, onSelect } = this.settings;
    const [line, grid, ink, bad] = [colour(`plot-${(place % 6) + 1}`), colour("line"), colour("ink-soft"), colour("bad")];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const font = "12px system-ui, sans-serif";
    // Where nothing is known yet, the scale would be made up.
    const shown = (known) => {
      const filter = (_chart, ticks) => (known(ticks) ? ticks : ticks.map(() => null));
      return { ...axis, font, filter, grid: { ...axis.grid, filter }, ticks: { ...axis.ticks, filter } };
    };
    const [times, values] = [shown(([first]) => first >= 86_400), shown(() => limits.length > 0 || this.data[1].some((value) => value !== null))];
    const series = banded
      ? [{}, { stroke: line, width: 1, points: { show: false } }, { stroke: line, width: 1, points: { show: false } }]
      : [{}, { stroke: line, width: 1.75, points: { show: (chart, _index, first, last) => last - first < 40, size: 4 } }];
    this.plot = new window.uPlot(
      {
        width: Math.max(this.box.clientWidth, 50),
        height: 150,
        legend: { show: false },
        cursor: { sync: { key: sync.key }, drag: { x: Boolean(onSelect), y: false, setScale: false }, points: { size: 7 } },
        select: { show: Boolean(onSelect) },
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone),
        scales: {
          x: range ? { time: true, range } : { time: true },
          y: { range: (_chart, low, high) => spread(low, high, limits) },
        },
        axes: [
          { ...times, size: 28, space: 90, values: (_chart, ticks) => timeLabels(ticks, zone) },
          { ...values, size: 58, space: 34, values: (_chart, ticks) => ticks.map((tick) => (tick === null ? "" : number(tick))) },
        ],
        bands: banded ? [{ series: [2, 1], fill: alpha(line, 0.3) }] : [],
        series,
        hooks: {
          draw: [(chart) => drawLimits(chart, limits, bad), (chart) => drawMarks(chart, marks, ink, font)],
          setCursor: [(chart) => this.showAt(chart.cursor.idx)],
          setSelect: onSelect
            ? [(chart) => chart.select.width > 4 && onSelect(chart.posToVal(chart.select.left, "x") * 1000, chart.posToVal(chart.select.left + chart.select.width, "x") * 1000)]
            : [],
        },
      },
      this.data,
      this.box,
    );
  }

  // Beside the name: the value under the cursor, else the newest one.
  showAt(index) {
    const { unit, banded } = this.settings;
    const tail = unit ? `\u00a0${unit}` : "";
    if (index === null || index === undefined || this.data[1][index] === undefined) {
      if (this.newest !== undefined) this.value.textContent = this.newest;
      return;
    }
    const [low, high] = [this.data[1][index], this.data.at(-1)[index]];
    if (low === null) return;
    this.value.textContent = (banded && low !== high ? `${number(low)} – ${number(high)}` : steadyNumber(low)) + tail;
  }

  // `spoken` makes the label of the whole picture; at most once a second, since nobody listens faster.
  set(data, { newest, spoken }) {
    this.data = data;
    this.newest = newest;
    this.spoken = spoken;
    this.box.dataset.points = data[0].length;
    this.labelling ??= setTimeout(() => this.say(), 1000 - Math.min(1000, performance.now() - (this.saidAt ?? -Infinity)));
    this.plot.setData(data);
    if (this.plot.cursor.idx === null || this.plot.cursor.left < 0) this.value.textContent = newest;
  }

  say() {
    this.labelling = undefined;
    this.saidAt = performance.now();
    this.box.setAttribute("aria-label", this.spoken());
  }

  remove() {
    clearTimeout(this.labelling);
    this.resizing.disconnect();
    this.plot.destroy();
    this.frame.remove();
  }
}

function spread(low, high, limits) {
  let [first, last] = [low ?? 0, high ?? 1];
  for (const limit of limits) {
    first = Math.min(first, limit);
    last = Math.max(last, limit);
  }
  const middle = (first + last) / 2;
  const half = Math.max((last - first) / 2, Math.abs(middle) * 0.01, 1e-9) * 1.08;
  return [middle - half, middle + half];
}

function drawLimits(chart, limits, stroke) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = window.devicePixelRatio;
  ctx.setLineDash([6 * window.devicePixelRatio, 4 * window.devicePixelRatio]);
  for (const limit of limits) {
    const y = Math.round(chart.valToPos(limit, "y", true));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

// Notes: a line at their moment, with the beginning of their text; the page lists them in full.
function drawMarks(chart, marks, stroke, font) {
  const { ctx, bbox } = chart;
  const ratio = window.devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = stroke;
  ctx.lineWidth = ratio;
  ctx.font = font.replace("12px", `${12 * ratio}px`);
  ctx.textBaseline = "top";
  let drawn = 0;
  for (const [at, text] of marks) {
    if (at < chart.scales.x.min || at > chart.scales.x.max) continue;
    const x = Math.round(chart.valToPos(at, "x", true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const room = x + 3 * ratio + ctx.measureText(text).width > bbox.left + bbox.width;
    ctx.textAlign = room ? "right" : "left";
    ctx.fillText(text, x + (room ? -3 : 3) * ratio, bbox.top + 2 * ratio);
    drawn += 1;
  }
  chart.root.parentElement.dataset.marks = drawn;
  ctx.restore();
}

const formats = new Map();

function timeLabels(ticks, zone) {
  if (ticks.includes(null)) return ticks.map(() => ""); // nothing has come yet
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const parts = step < 60 ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } : step < 86_400 ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  const key = `${zone} ${Object.keys(parts)}`;
  if (!formats.has(key)) formats.set(key, timeFormat(zone, parts));
  return ticks.map((tick) => formats.get(key).format(tick * 1000));
}

// Every chart anew when the theme changes with the device's.
export function redrawOnTheme(charts) {
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of charts()) chart.draw();
  });
}
