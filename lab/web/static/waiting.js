// Says that something is being done, where an answer is not there at once, and sends each form only once meanwhile.

const AFTER_MS = 400;

const note = document.getElementById("waiting");
let sent = null;
let timer = null;

function rest() {
  clearTimeout(timer);
  sent = null;
  note.textContent = "";
  note.classList.remove("on");
}

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return; // a script of the page answers by itself
  if (sent === event.target) {
    event.preventDefault(); // pressed again while it is under way
    return;
  }
  sent = event.target;
  timer = setTimeout(() => {
    note.textContent = note.dataset.words;
    note.classList.add("on");
  }, AFTER_MS);
});
window.addEventListener("pageshow", (event) => event.persisted && rest()); // back by the browser's own button
