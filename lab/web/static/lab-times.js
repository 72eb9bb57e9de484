// Beside each field for a date and time, the lab's way of writing it: browsers show such fields in their own language.

import { writtenFields } from "./written-times.js";

for (const field of document.querySelectorAll("input[type=datetime-local]")) {
  const beside = document.createElement("small");
  beside.className = "lab-written";
  beside.setAttribute("aria-hidden", "true"); // whoever hears the field hears the time in the own language
  field.after(beside);
  const write = () => {
    beside.textContent = field.value ? writtenFields(field.value) : "";
  };
  field.addEventListener("input", write);
  write();
}
