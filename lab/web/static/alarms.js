// Looks now and then whether the list of alarms is still as it was shown, and says so if it is not.

const list = document.getElementById("alarms");
const news = document.getElementById("news");
const EVERY_MS = 10_000;

function stateOf(alarm) {
  if (alarm.cleared_at) return "c";
  return alarm.acknowledged_at ? "a" : "o";
}

async function look() {
  const answer = await fetch(`/api/v1/alarms?limit=200&open=${list.dataset.open}`, { cache: "no-store" });
  if (!answer.ok) return;
  const { alarms } = await answer.json();
  const seen = alarms.filter((alarm) => alarm.id !== null).map((alarm) => `${alarm.id}:${stateOf(alarm)}`);
  news.hidden = seen.join(" ") === list.dataset.seen.trim();
}

if (list && news) {
  setInterval(() => look().catch(() => undefined), EVERY_MS);
}
