// The form to book: a calendar of what is taken, on which a free time can be chosen, and price and rules as one types.
// Everything can also be typed: without this script the form works the same.

import { writtenDay, writtenFields } from "./written-times.js";

const form = document.getElementById("booking");
const frame = document.getElementById("calendar-frame");
const written = document.getElementById("written");
const { zone, language, now } = frame.dataset;
const [dayBegins, dayEnds] = frame.dataset.day.split(" ");
const ownHours = new Set(frame.dataset.ownHours.split(" "));
const proposals = JSON.parse(frame.dataset.proposals);
const words = JSON.parse(frame.dataset.words);
const phone = window.matchMedia("(max-width: 40rem)");
const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
const wall = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...digits });
const here = new Intl.DateTimeFormat("sv-SE", digits);
const naive = (instant) => wall.format(new Date(instant)).replace(" ", "T");
const wallClock = (ms) => here.format(ms).replace(" ", "T");
const clockTime = { hour: "2-digit", minute: "2-digit" };
const DAY_MS = 86_400_000;
let calendar = null;
let known = { events: [], outages: [], closed: [] };
let asked = 0;
let picked = proposals.length === 0; // else the times in the fields are a mere suggestion

function chosenDevices() {
  return [...form.querySelectorAll("input[name=device_ids]")]
    .filter((box) => box.checked || proposals.some((proposal) => proposal.devices.includes(box.value)))
    .map((box) => ({ id: box.value, title: box.closest("label").querySelector("span").firstChild.textContent.trim() }));
}

function field(name) {
  return form.elements[name];
}

// The lab's way of writing a time, beside a field that follows the browser's.
function write() {
  written.textContent = `${writtenFields(field("start").value, field("end").value)} (${zone}).`;
}

function wantTerms() {
  write();
  if (calendar) calendar.setOption("events", events());
  window.htmx?.trigger(document.body, "terms-wanted");
}

function events() {
  const devices = new Set(chosenDevices().map((device) => device.id));
  const shown = [];
  for (const event of known.events) {
    const resourceIds = event.device_ids.filter((id) => devices.has(id));
    if (!resourceIds.length) continue;
    const mine = event.title !== null && event.title !== undefined && !event.busy;
    shown.push({ start: naive(event.start), end: naive(event.end), resourceIds, title: mine ? event.title : words.taken, classNames: [mine ? "mine" : "taken"] });
  }
  for (const outage of known.outages) {
    const resourceIds = outage.device_id ? [outage.device_id] : [...devices];
    shown.push({ start: naive(outage.start), end: naive(outage.end), resourceIds, title: words.outage, classNames: ["outage"] });
  }
  const common = [...devices].filter((id) => !ownHours.has(id));
  for (const [start, end] of phone.matches || !common.length ? [] : known.closed) {
    shown.push({ start, end, resourceIds: common, title: words.closed, display: "background", classNames: ["closed"] });
  }
  const [start, end] = [field("start").value, field("end").value];
  proposals.forEach((proposal, number) => {
    const resourceIds = proposal.devices.filter((id) => devices.has(id));
    if (resourceIds.length) shown.push({ ...proposal, resourceIds, title: words.free, classNames: ["proposed", `proposal-${number}`] });
  });
  if (picked && start && end && start < end) shown.push({ id: "chosen", start, end, resourceIds: [...devices], title: words.yours, classNames: ["chosen"] });
  return shown;
}

// What lies between the openings, as naive lab time; the calendar tells its edges as if the browser were in the lab.
function between(openings, start, end) {
  const closed = [];
  const last = wallClock(end);
  let since = wallClock(start);
  for (const opening of [...openings, { start: null, end: null }]) {
    const until = opening.start && naive(opening.start) < last ? naive(opening.start) : last;
    if (since < until) closed.push([since, until]);
    if (opening.end && naive(opening.end) > since) since = naive(opening.end);
  }
  return closed;
}

async function load(start, end) {
  const devices = chosenDevices();
  if (!devices.length) return;
  const mine = ++asked;
  const query = new URLSearchParams({ start: new Date(start - DAY_MS).toISOString(), end: new Date(end + DAY_MS).toISOString() });
  for (const device of devices) query.append("device_id", device.id);
  const answer = await fetch(`/api/v1/calendar?${query}`);
  if (!answer.ok || mine !== asked) return;
  const told = await answer.json();
  known = { events: told.events, outages: told.outages, closed: between(told.openings, start, end) };
  calendar.setOption("events", events());
}

function show() {
  const devices = chosenDevices();
  frame.hidden = devices.length === 0 || !window.EventCalendar;
  if (frame.hidden) return;
  if (calendar) {
    calendar.setOption("resources", devices);
    const { activeStart, activeEnd } = calendar.getView();
    load(activeStart.getTime(), activeEnd.getTime());
    return;
  }
  calendar = window.EventCalendar.create(document.getElementById("calendar"), {
    view: phone.matches ? "listWeek" : "resourceTimelineDay",
    headerToolbar: false,
    date: (proposals[0]?.start || field("start").value || naive(Number(now) * 1000)).slice(0, 10),
    locale: language === "en" ? "en-GB" : language,
    firstDay: 1,
    resources: devices,
    events: events(),
    selectable: !phone.matches,
    selectBackgroundColor: "transparent",
    slotMinTime: dayBegins,
    slotMaxTime: dayEnds,
    slotDuration: "00:30",
    slotWidth: 36,
    slotLabelFormat: clockTime,
    eventTimeFormat: clockTime,
    dayHeaderFormat: (day) => writtenDay(day),
    listDayFormat: (day) => writtenDay(day),
    listDaySideFormat: () => "",
    views: { resourceTimelineWeek: { slotDuration: "02:00", slotLabelInterval: "08:00", snapDuration: "00:30", slotWidth: 22 } },
    nowIndicator: false,
    editable: false,
    noEventsContent: words.nothing,
    select: (chosen) => {
      picked = true;
      field("start").value = chosen.startStr.slice(0, 16);
      field("end").value = chosen.endStr.slice(0, 16);
      calendar.unselect();
      wantTerms();
    },
    datesSet: (range) => {
      const last = new Date(range.end.getTime() - 1);
      const one = range.end - range.start <= DAY_MS + 3_600_000;
      document.getElementById("calendar-title").textContent = one ? writtenDay(range.start) : `${writtenDay(range.start)} – ${writtenDay(last)}`;
      load(range.start.getTime(), range.end.getTime());
    },
  });
}

form.addEventListener("change", (event) => {
  if (event.target.name === "device_ids") show();
  if (["start", "end"].includes(event.target.name)) picked = true;
  if (["device_ids", "start", "end", "supervised", "organisation_id", "pilot_id"].includes(event.target.name)) wantTerms();
});
frame.addEventListener("click", (event) => {
  const { go, view } = event.target.dataset;
  if (calendar && view) {
    calendar.setOption("view", view === "week" ? "resourceTimelineWeek" : "resourceTimelineDay");
    for (const button of frame.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button === event.target);
  }
  if (!calendar || go === undefined) return;
  if (go === "0") calendar.setOption("date", naive(Number(now) * 1000).slice(0, 10));
  else if (go === "1") calendar.next();
  else calendar.prev();
});
// Not by the calendar's own means: they would let the keyboard into a drawing that is hidden from screen readers.
document.getElementById("calendar").addEventListener("click", (event) => {
  const names = [...(event.target.closest(".proposed")?.classList ?? [])];
  const chosen = proposals.find((_, number) => names.includes(`proposal-${number}`));
  if (chosen) location.assign(chosen.address);
});
write();
show();
