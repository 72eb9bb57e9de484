// Dates and times as the server writes them: `Mon 23 Nov 2026, 08:00`, in Polish `pon. 23 lis 2026, 08:00`.

const language = document.documentElement.lang === "en" ? "en-US" : document.documentElement.lang; // en-GB says "Sept"
const formats = new Map();

function parts(instant, zone) {
  if (!formats.has(zone)) {
    const wanted = { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    formats.set(zone, new Intl.DateTimeFormat(language, { timeZone: zone, ...wanted }));
  }
  return Object.fromEntries(formats.get(zone).formatToParts(instant).map(({ type, value }) => [type, value]));
}

// `zone` undefined: the browser's own.
export function writtenDay(instant, zone) {
  const { weekday, day, month, year } = parts(instant, zone);
  return `${weekday} ${day} ${month} ${year}`;
}

export function writtenTime(instant, zone) {
  const { hour, minute } = parts(instant, zone);
  return `${writtenDay(instant, zone)}, ${hour}:${minute}`;
}

// What fields for dates and times say, which are the lab's clock; the day once if it is one.
export function writtenFields(...texts) {
  const read = texts.map((text) => (text ? writtenTime(Date.parse(`${text}Z`), "UTC") : "…"));
  const [[day, start], [last, end]] = [read[0].split(", "), read.at(-1).split(", ")];
  return day === last && start && read.length > 1 ? `${day}, ${start}–${end}` : read.join(" – ");
}
