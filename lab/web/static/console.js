// How long the run has been going, counted on from what the server said.

const elapsed = document.getElementById("elapsed");
if (elapsed) {
  const loadedAt = performance.now();
  const before = Number(elapsed.dataset.now) - Number(elapsed.dataset.since);
  const write = () => {
    const seconds = Math.max(0, Math.round(before + (performance.now() - loadedAt) / 1000));
    const two = (value) => String(value).padStart(2, "0");
    elapsed.textContent = `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
  };
  write();
  setInterval(write, 1000);
}

// Alt+N, wherever one is on the page: to the note. Not with AltGr, which writes letters.
const note = document.getElementById("note");
document.addEventListener("keydown", (event) => {
  const alone = event.altKey && !event.ctrlKey && !event.metaKey && !event.getModifierState("AltGraph");
  if (!note || !alone || event.code !== "KeyN") return;
  event.preventDefault();
  note.focus();
});
