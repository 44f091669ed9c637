// All that the page does with script: times in the reader's zone, and progress that keeps up. Everything works without.
"use strict";

function showTimes(root) {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = format.format(new Date(time.dateTime));
    time.title = time.dateTime;
  }
}

const EVERY = 2000;
const HIDDEN = 15000;

function poll(part) {
  let timer = 0;
  let failures = 0;
  function sayGone() {
    if (part.classList.contains("gone")) return;
    part.classList.add("gone");
    // What was said last holds no more: neither that it is being sent nor how long it will take.
    for (const old of document.querySelectorAll("h1 .state:not(.rehearsal)")) old.remove();
    for (const old of part.querySelectorAll(".figures, progress, .notice")) old.remove();
    for (const button of document.querySelectorAll("main button")) button.disabled = true;
    const notice = document.createElement("p");
    notice.className = "notice bad";
    notice.setAttribute("role", "alert");
    notice.textContent = part.dataset.gone;
    part.prepend(notice);
  }
  async function ask() {
    const begun = performance.now();
    let pause = document.hidden ? HIDDEN : EVERY;
    try {
      const answer = await fetch(part.dataset.poll, { credentials: "same-origin", cache: "no-store" });
      if (answer.ok) {
        if (answer.headers.get("X-State") !== part.dataset.state || part.classList.contains("gone")) {
          location.reload();
          return;
        }
        failures = 0;
        const html = await answer.text();
        const made = new DOMParser().parseFromString(html, "text/html");
        part.replaceChildren(...made.body.childNodes);
        showTimes(part);
      } else if (answer.status === 403) {
        location.reload(); // it was started again, or the session has ended: the page says which
        return;
      }
    } catch {
      failures += 1;
    }
    if (failures > 1) sayGone();
    // A slow answer is a sign to ask less often.
    timer = setTimeout(ask, pause + (performance.now() - begun));
  }
  timer = setTimeout(ask, EVERY);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      clearTimeout(timer);
      ask();
    }
  });
}

showTimes(document);
for (const part of document.querySelectorAll("[data-poll]")) poll(part);
if (document.body.dataset.onward) setTimeout(() => location.replace(document.body.dataset.onward), 1500);
// A choice that was changed is shown with all that it comes to before anything is sent: the button says so at once.
document.getElementById("confirm")?.addEventListener("input", () => {
  for (const button of document.querySelectorAll("button[data-changed]")) {
    button.textContent = button.dataset.changed;
    button.value = "choose";
  }
});
for (const form of document.querySelectorAll("form[enctype]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    button.setAttribute("aria-busy", "true");
    button.textContent = button.dataset.busy || button.textContent;
  });
}
// A name that cannot be is refused in the page's language rather than in the browser's.
for (const input of document.querySelectorAll("input[data-refusal]")) {
  input.addEventListener("input", () => {
    input.setCustomValidity("");
    if (input.validity.patternMismatch) input.setCustomValidity(input.dataset.refusal);
  });
}
