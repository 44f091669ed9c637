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
  async function ask() {
    const begun = performance.now();
    let pause = document.hidden ? HIDDEN : EVERY;
    try {
      const answer = await fetch(part.dataset.poll, { credentials: "same-origin", cache: "no-store" });
      if (answer.ok) {
        if (answer.headers.get("X-State") !== part.dataset.state) {
          location.reload();
          return;
        }
        const html = await answer.text();
        const made = new DOMParser().parseFromString(html, "text/html");
        part.replaceChildren(...made.body.childNodes);
        showTimes(part);
      }
    } catch {
      pause = HIDDEN; // the program may have ended; it says so where it was started
    }
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
