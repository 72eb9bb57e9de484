// Beside each field for a date and time, the lab's way of writing it: browsers show such fields in their own language.

const language = document.documentElement.lang;
const written = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
  timeZone: "UTC", weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
});

for (const field of document.querySelectorAll("input[type=datetime-local]")) {
  const beside = document.createElement("small");
  beside.className = "lab-written";
  beside.setAttribute("aria-hidden", "true"); // whoever hears the field hears the time in the own language
  field.after(beside);
  const write = () => {
    beside.textContent = field.value ? written.format(Date.parse(`${field.value}Z`)) : "";
  };
  field.addEventListener("input", write);
  write();
}
