// Looking back while machines go on: all charts of a page stand still on one span of the past, at full resolution,
// until one goes back to live. By dragging over a chart, by buttons, and by keys while one of the buttons is in focus.

import { timeFormat } from "./charts.js";

const SHORTEST_MS = 1000;
const LONGEST_MS = 366 * 86_400_000;
const KEYS = { ArrowLeft: "earlier", ArrowRight: "later", "+": "closer", "-": "wider", Escape: "live" };

export class LookingBack {
  // `bar` has the buttons and says which span is shown; `machines` show it.
  constructor(bar, machines) {
    this.bar = bar;
    this.machines = machines;
    this.words = JSON.parse(bar.dataset.words);
    this.span = null; // [start, end) in ms since 1970; null: live
    this.state = bar.querySelector("[role=status]");
    const parts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };
    this.times = timeFormat(bar.dataset.zone, parts);
    bar.addEventListener("click", (event) => event.target.dataset.step && this.step(event.target.dataset.step));
    bar.addEventListener("keydown", (event) => {
      const step = KEYS[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.step(step);
    });
    window.addEventListener("resize", () => {
      clearTimeout(this.resizing);
      this.resizing = setTimeout(() => this.span && this.show(), 300);
    });
  }

  get present() {
    return Math.max(...this.machines.map((machine) => machine.labTime ?? 0));
  }

  step(step) {
    const within = this.bar.contains(document.activeElement);
    const window = this.machines[0].windowMs;
    const [start, end] = this.span ?? [this.present - window, this.present];
    const half = (end - start) / 2;
    if (step === "live") this.live();
    else if (step === "here" || step === "wider" && !this.span) this.take(start, end);
    else if (step === "earlier") this.take(start - half, end - half);
    else if (step === "later") this.take(start + half, end + half);
    else if (step === "closer") this.take(start + half / 2, end - half / 2);
    else this.take(start - half, end + half);
    // The button that was pressed may be gone now.
    if (within) this.bar.querySelector(this.span ? "[data-step=earlier]" : "[data-step=here]").focus();
  }

  // All charts share one cursor, so that each of them tells of the same drag: the first one counts.
  select(start, end) {
    if (this.selecting) return;
    this.selecting = setTimeout(() => { this.selecting = null; }, 0);
    this.take(start, end);
  }

  take(start, end) {
    const length = Math.min(Math.max(end - start, SHORTEST_MS), LONGEST_MS);
    const middle = (start + end) / 2;
    const last = Math.round(Math.min(middle + length / 2, this.present)); // nothing is known of what comes
    this.span = [last - Math.round(length), last];
    this.show();
  }

  async show() {
    const span = this.span;
    this.bar.classList.add("past");
    this.say(`${this.spoken(span)} · ${this.words.loading}`);
    try {
      const found = await Promise.all(this.machines.map((machine) => machine.look(span, this.spoken(span), this.words)));
      if (span === this.span) this.say(`${this.spoken(span)}${found.some(Boolean) ? "" : ` · ${this.words.nothing}`}`);
    } catch (error) {
      if (span === this.span) this.say(`${this.spoken(span)} · ${this.words.failed} ${error.message}`);
    }
  }

  live() {
    if (!this.span) return;
    this.span = null;
    this.bar.classList.remove("past");
    this.say(this.words.live);
    for (const machine of this.machines) machine.look(null);
  }

  spoken([start, end]) {
    return this.words.past.replace("{start}", this.times.format(start)).replace("{end}", this.times.format(end));
  }

  say(text) {
    this.state.textContent = text;
  }
}
