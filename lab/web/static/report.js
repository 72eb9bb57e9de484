// The charts of a report say the value under the pointer, under a finger and at the arrow keys. What they say lies in
// the drawing itself, as titles of its marks, so that a page without this script has them under the pointer all the same.

const NEAR_PX = { mouse: 28, pen: 28, touch: 44 };

class PointedChart {
  constructor(box) {
    this.box = box;
    this.frame = box.closest(".chart-scroll");
    this.drawing = box.querySelector(".report-marks");
    this.marks = [...this.drawing.querySelectorAll("circle")].map((circle) => {
      const title = circle.querySelector("title");
      title.remove(); // else a browser shows its own hint beside ours
      return { circle, text: title.textContent };
    });
    this.last = 0;
    this.shown = null;
    this.value = document.createElement("div");
    this.value.className = "report-value";
    this.value.hidden = true;
    this.value.setAttribute("aria-hidden", "true"); // the slider itself says it
    box.append(this.value);
    this.becomeSlider();
    this.listen();
  }

  // To a screen reader it is a slider over the values: the one such thing that gets the arrow keys everywhere.
  becomeSlider() {
    const facts = { role: "slider", tabindex: 0, "aria-label": this.drawing.dataset.label, "aria-valuemin": 1, "aria-valuemax": this.marks.length };
    for (const [name, fact] of Object.entries(facts)) this.drawing.setAttribute(name, fact);
    this.drawing.removeAttribute("aria-hidden");
    this.announce();
  }

  announce() {
    this.drawing.setAttribute("aria-valuenow", this.last + 1);
    this.drawing.setAttribute("aria-valuetext", this.marks[this.last].text);
  }

  listen() {
    this.drawing.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") this.point(event);
    });
    this.drawing.addEventListener("click", (event) => this.point(event));
    this.box.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch" && !this.drawing.matches(":focus-visible")) this.hide();
    });
    this.drawing.addEventListener("focus", () => {
      if (this.drawing.matches(":focus-visible")) this.reach(this.last);
    });
    this.drawing.addEventListener("blur", () => this.hide());
    this.frame.addEventListener("scroll", () => {
      if (this.shown !== null) this.put(this.marks[this.shown].circle);
    });
    this.drawing.addEventListener("keydown", (event) => this.step(event));
  }

  step(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const [now, end] = [this.last, this.marks.length - 1];
    const next = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0, End: end }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.reach(this.shown === null ? now : Math.min(end, Math.max(0, next)));
  }

  // By key: a mark may lie in the part of its chart that is scrolled away.
  reach(place) {
    const { circle } = this.marks[place];
    circle.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.show(place);
    this.put(circle);
  }

  point(event) {
    const away = this.marks.map(({ circle }) => {
      const { left, top, width, height } = circle.getBoundingClientRect();
      return Math.hypot(left + width / 2 - event.clientX, top + height / 2 - event.clientY);
    });
    const nearest = away.indexOf(Math.min(...away));
    if (away[nearest] <= (NEAR_PX[event.pointerType] ?? NEAR_PX.mouse)) this.show(nearest);
    else this.hide();
  }

  show(place) {
    if (this.shown === place) return;
    this.hide();
    this.last = this.shown = place;
    const { circle, text } = this.marks[place];
    circle.classList.add("shown");
    this.value.textContent = text;
    this.value.hidden = false;
    this.announce();
    this.put(circle);
  }

  // Above the mark, or below it where there is no room, and never beside the part of the chart that one sees.
  put(circle) {
    const [mark, box] = [circle.getBoundingClientRect(), this.box.getBoundingClientRect()];
    const { scrollLeft, clientWidth, scrollWidth } = this.frame;
    const scrolls = scrollWidth > clientWidth;
    this.value.style.maxWidth = scrolls ? `min(22rem, ${clientWidth - 8}px)` : "";
    const middle = mark.left + mark.width / 2 - box.left;
    const above = mark.top - box.top - this.value.offsetHeight - 8;
    const room = (scrolls ? scrollLeft + clientWidth : box.width) - this.value.offsetWidth - 4;
    this.value.style.left = `${Math.max((scrolls ? scrollLeft : 0) + 4, Math.min(room, middle - this.value.offsetWidth / 2))}px`;
    const least = scrolls ? 0 : -this.value.offsetHeight; // what lies beyond a box that scrolls cannot be seen
    const lowest = scrolls ? Math.max(0, box.height - this.value.offsetHeight - 4) : Infinity;
    this.value.style.top = `${above >= least ? above : Math.min(lowest, mark.bottom - box.top + 8)}px`;
  }

  hide() {
    if (this.shown === null) return;
    this.marks[this.shown].circle.classList.remove("shown");
    this.value.hidden = true;
    this.shown = null;
  }
}

const charts = [...document.querySelectorAll(".report-chart")].map((box) => new PointedChart(box));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") charts.forEach((chart) => chart.hide());
});
document.addEventListener("click", (event) => {
  for (const chart of charts) if (!chart.box.contains(event.target)) chart.hide();
});
