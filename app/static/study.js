// The study page: sends the files, shows slices and answers as they come, and lets the study go.

import { SliceViewer } from "./study_viewer.js";
import { droppedFiles, parts } from "./study_files.js";
import { Study, StudyError } from "./study_server.js";

const PIXEL_REQUESTS = 3; // browsers have six connections to a server

const find = (selector) => document.querySelector(selector);
const form = find("#study-form");
const input = find("#files");
const folder = find("#folder");
const drop = form.querySelector(".drop");
const progress = find("#study-progress");
const bar = find("#study-bar");
const viewer = new SliceViewer();
let running = null;

async function begin(files, series = 0) {
  end();
  const mine = (running = { abort: new AbortController(), files, study: null });
  const { signal } = mine.abort;
  find("#study-problem").replaceChildren();
  if (!files.length) return fail("Choose the files of a study first.");
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const most = Number(form.dataset.maxBytes);
  if (bytes > most) return fail(`The files are larger than ${Math.floor(most / 1048576)} MB together.`);
  progress.hidden = false;
  say("Sending …", 0);
  try {
    mine.study = await Study.open(form.dataset.studies, signal);
    await mine.study.send(parts(files), signal, (share) => say(`Sending, ${Math.floor(share * 100)} %`, share));
    performance.mark("study-sent");
    say("Reading …", null);
    await answer(mine, series, signal);
    progress.hidden = true;
  } catch (error) {
    if (mine !== running || signal.aborted) return; // cancelled, or a newer study took its place
    fail(error instanceof StudyError ? error.message : "The connection to the server was lost.");
  } finally {
    mine.study?.close(); // everything is here, or nothing more is wanted
  }
}

async function answer(mine, series, signal) {
  let slices = 0;
  let answered = 0;
  let pixels = null;
  let complete = false;
  for await (const said of mine.study.answers(series, signal)) {
    if (said.series) {
      slices = said.series.slices;
      show(said.series);
      pixels = load(mine.study, said.series, signal);
    } else if (said.slice) {
      answered += 1;
      viewer.answer(said.slice);
      if (answered === 1) performance.mark("study-first-answer");
      say(`Slices answered: ${answered} of ${slices}`, answered / slices);
    } else if (said.problem) {
      throw new StudyError(said.problem.detail);
    } else {
      complete = true;
      performance.mark("study-answered");
      place(said);
    }
  }
  if (!complete) throw new StudyError("The server stopped before the study was answered.");
  say("Fetching slices …", null);
  await pixels;
}

// All slices, those that are nearest to the one that is looked at first.
async function load(study, { slices, series }, signal) {
  const missing = new Set(Array(slices).keys());
  let first = true;
  const fetcher = async () => {
    while (missing.size) {
      const number = viewer.nearest(missing);
      missing.delete(number);
      viewer.receive(number, await study.slice(number, series, signal));
      if (first) performance.mark("study-first-slice");
      first = false;
    }
  };
  const fetchers = Promise.all(Array.from({ length: PIXEL_REQUESTS }, fetcher));
  fetchers.catch(() => {}); // whoever waits for it is told
  return fetchers;
}

function show(series) {
  find("#study-upload").hidden = true;
  find("#study-result").replaceChildren();
  viewer.begin(series);
}

// The answer as the server writes it, the same as without this script; its links jump to slices.
function place({ html, study }) {
  const page = new DOMParser().parseFromString(html, "text/html");
  find("#study-result").replaceChildren(...page.body.children);
  viewer.driving(study.driving);
}

function say(text, share) {
  find("#study-status").textContent = text;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

function fail(text) {
  progress.hidden = true;
  find("#study-upload").hidden = false;
  const box = document.createElement("p");
  box.className = "banner danger";
  box.setAttribute("role", "alert");
  box.textContent = text;
  find("#study-problem").replaceChildren(box);
}

function end() {
  running?.abort.abort();
  running?.study?.close();
  running = null;
  viewer.clear();
  progress.hidden = true;
  find("#study-upload").hidden = false;
  find("#study-result").replaceChildren();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin([...input.files]);
});
input.addEventListener("change", () => begin([...input.files]));
folder.addEventListener("change", () => begin([...folder.files]));
find("#choose-folder").addEventListener("click", () => folder.click());
find("#study-cancel").addEventListener("click", () => {
  end();
  input.focus();
});
find("#new-study").addEventListener("click", () => {
  end();
  input.value = folder.value = "";
  input.focus();
});
find("#series").addEventListener("change", (event) => running && begin(running.files, Number(event.target.value)));
find("#study-result").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-slice]");
  if (!link) return;
  event.preventDefault();
  viewer.go(Number(link.dataset.slice));
  find("#slice").focus();
});
for (const type of ["dragenter", "dragover"]) drop.addEventListener(type, () => drop.classList.add("over"));
for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  if (!input.disabled) begin(await droppedFiles(event.dataTransfer));
});
addEventListener("pagehide", () => running?.study?.close());
