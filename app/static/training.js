// Follows the run: whenever the server says that something changed, the page is fetched again and its parts are put in
// place of the old ones, so that what people see is written once, in the template.
"use strict";

const PARTS = ["job", "history", "served", "start"];
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
  for (const part of PARTS) {
    const fresh = page.getElementById(part);
    // The form keeps what was chosen while it can be used.
    if (part === "start" && !fresh.querySelector("button").disabled && !former) continue;
    document.getElementById(part).replaceWith(fresh);
  }
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

setInterval(() => {
  for (const cell of document.querySelectorAll("[data-since]")) {
    cell.textContent = Math.max(0, Date.now() / 1000 - Number(cell.dataset.since)).toFixed(0);
  }
}, 1000);

follow();
