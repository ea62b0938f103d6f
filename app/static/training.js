// Follows the run: whenever the server says that something changed, the page is fetched again and its parts are put in
// place of the old ones, so that what people see is written once, in the template. The same where another model is served.
"use strict";

const PARTS = ["outcome", "job", "history", "served", "start"];
const LOOK_SECONDS = 5;
let source = null;
let pending = null;

function follow() {
  source?.close();
  source = null;
  const events = document.querySelector("#job").dataset.events;
  if (!events) return;
  source = new EventSource(events);
  source.addEventListener("message", refreshSoon);
  source.addEventListener("end", refreshSoon);
  // Refused, because too many pages follow or the session has ended: then ask now and then.
  source.addEventListener("error", () => source?.readyState === EventSource.CLOSED && refreshSoon(null, 3000));
}

function refreshSoon(event, delay = 700) {
  pending ??= setTimeout(refresh, delay);
}

async function refresh() {
  try {
    const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (response.status === 401) return location.reload();
    if (response.ok) show(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    refreshLater(); // the server is away for a moment
  } finally {
    pending = null;
  }
}

function refreshLater() {
  setTimeout(refreshSoon, 2000);
}

function show(page) {
  const former = document.querySelector("#job").dataset.events;
  const focused = document.activeElement?.id;
  const open = document.querySelector("#log")?.open;
  const scrolled = document.querySelector("#log pre")?.scrollTop;
  const chosen = [...document.querySelectorAll("#history :checked")].map((box) => box.value);
  for (const part of PARTS) {
    const fresh = page.getElementById(part);
    // The form keeps what was chosen: of it only what a run forbids changes, and what it says of the model served now.
    if (part === "start") renew(document.getElementById(part), fresh);
    else document.getElementById(part).replaceWith(fresh);
  }
  for (const box of document.querySelectorAll("#history [name=job]")) box.checked = chosen.includes(box.value);
  document.title = page.title;
  const log = document.querySelector("#log");
  if (log && open !== undefined) {
    log.open = open || log.open;
    log.querySelector("pre").scrollTop = scrolled;
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const now = document.querySelector("#job").dataset.events;
  if (now !== former) follow();
  else if (now && source?.readyState === EventSource.CLOSED) refreshLater();
}

function renew(form, fresh) {
  form.querySelector(".primary").disabled = fresh.querySelector(".primary").disabled;
  form.querySelector("[role=status]").textContent = fresh.querySelector("[role=status]").textContent;
  const [box, now] = [form.querySelector("#replaces"), fresh.querySelector("#replaces")];
  // Whoever ticked it meant the version that stood there.
  if (box?.value !== now?.value) form.querySelector("#replacing").replaceWith(fresh.querySelector("#replacing"));
}

async function lookForModel() {
  const { ready, run, version } = document.querySelector("#served").dataset;
  if (document.hidden || pending) return;
  try {
    const served = await (await fetch(ready, { headers: { Accept: "application/json" } })).json();
    if ((served.run_id ?? "") !== run || String(served.version ?? "") !== version) refreshSoon(null, 0);
  } catch {
    // the server is away for a moment
  }
}

function left(seconds) {
  if (seconds < 60) return seconds > 0 ? "a minute" : "no time";
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function listen() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id !== "start") return;
    const [file] = form.querySelector("#archive").files;
    const say = (text) => (form.querySelector("[role=status]").textContent = text);
    if (file && file.size > Number(form.dataset.maxBytes)) {
      event.preventDefault();
      return say(`The archive is larger than ${Math.floor(form.dataset.maxBytes / 1048576)} MB.`);
    }
    if (file) say("Sending the archive: leave this page open until the run has begun.");
  });
}

setInterval(() => {
  for (const part of document.querySelectorAll("[data-until]")) {
    part.textContent = left(Number(part.dataset.until) - Date.now() / 1000);
  }
  for (const cell of document.querySelectorAll("[data-since]")) {
    cell.textContent = Math.max(0, Date.now() / 1000 - Number(cell.dataset.since)).toFixed(0);
  }
}, 1000);
setInterval(lookForModel, LOOK_SECONDS * 1000);

listen();
follow();
