// Sends the form without leaving the page, and takes the result from the page that the server answers: what people see
// is written in one place, the templates, with and without this script.
"use strict";

const form = document.querySelector("#upload");
if (form) start();

function start() {
  const input = form.querySelector("#image");
  const drop = form.querySelector(".drop");
  const queue = form.querySelector("#queue");
  const clear = form.querySelector("#clear");
  const status = document.querySelector("#status");
  const fold = document.querySelector("#fold");
  const maxFiles = Number(form.dataset.maxFiles);
  const maxBytes = Number(form.dataset.maxBytes);
  let files = [];
  let pending = null;

  // The picker's own list is what is sent; it is kept equal to ours.
  function choose(chosen) {
    for (const image of queue.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    files = chosen.slice(0, maxFiles);
    const transfer = new DataTransfer();
    files.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    queue.replaceChildren(...files.map(listItem));
    queue.hidden = clear.hidden = files.length === 0;
    fold.open = true;
    if (chosen.length > maxFiles) {
      say(`Only the first ${maxFiles} files are kept.`);
      status.scrollIntoView({ block: "nearest" }); // it stands below the samples, out of sight of the list
    } else say(files.length ? `${files.length} ${files.length === 1 ? "image" : "images"} chosen.` : "");
  }

  function listItem(file, index) {
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.className = "thumb";
    image.alt = "";
    // Browsers show no DICOM and hardly any TIFF: the result page does, once the server has decoded it.
    image.addEventListener("error", () => image.replaceWith(placeholder(file)));
    image.src = URL.createObjectURL(file);
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = file.name;
    const size = document.createElement("span");
    size.className = "size";
    size.textContent = file.size < 1e6 ? `${Math.ceil(file.size / 1e3)} kB` : `${(file.size / 1e6).toFixed(1)} MB`;
    name.append(size);
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.addEventListener("click", () => {
      choose(files.filter((_, other) => other !== index));
      (queue.querySelectorAll("button")[Math.min(index, files.length - 1)] ?? input).focus();
    });
    item.append(image, name, remove);
    return item;
  }

  function placeholder(file) {
    const box = document.createElement("span");
    box.className = "thumb";
    box.textContent = file.name.includes(".") ? file.name.split(".").pop().slice(0, 5) : "file";
    return box;
  }

  function say(text) {
    status.textContent = text;
  }

  async function send(body, sent) {
    pending?.abort();
    const mine = (pending = new AbortController());
    const timer = setTimeout(() => mine.abort("timeout"), 60000);
    form.setAttribute("aria-busy", "true");
    say(`Classifying ${sent} …`);
    try {
      const response = await fetch(form.action, {
        method: "POST",
        body,
        headers: { Accept: "text/html" },
        signal: mine.signal,
      });
      show(parse(await response.text()));
      const unread = document.querySelector("#unread")?.textContent;
      say(response.ok ? `Done: ${sent}${unread ?? " classified"}.` : "");
    } catch {
      if (mine !== pending) return; // a newer request took its place
      const late = mine.signal.reason === "timeout";
      fail(late ? "The server took too long to answer." : "The server could not be reached. Nothing was classified.");
    } finally {
      clearTimeout(timer);
      if (mine === pending) form.removeAttribute("aria-busy");
    }
  }

  function show(page) {
    const results = page.querySelector("#results");
    const problem = page.querySelector("#problem");
    if (!results && !problem) return fail("The server's answer could not be read.");
    if (results) {
      keep(results);
      place(results);
      refresh(page);
      fold.open = false;
    } else place(resultsWith(problem));
    document.title = page.title;
  }

  // The words of a result outlive a reload, in this tab alone; a browser may write them to disk, so no picture is there.
  function keep(results) {
    const kept = results.cloneNode(true);
    kept.querySelectorAll("img, .viewer").forEach((part) => part.remove());
    const note = document.createElement("p");
    note.className = "hint";
    note.textContent = "Pictures are not stored: choose the images again to see them.";
    kept.querySelector("h2").after(note);
    try {
      sessionStorage.setItem("results", kept.outerHTML);
      history.replaceState(null, "", "#results");
    } catch {
      sessionStorage.removeItem("results"); // it is full, or not allowed
    }
  }

  function restore() {
    const kept = sessionStorage.getItem("results");
    if (kept) place(parse(kept).querySelector("#results"));
  }

  function parse(text) {
    return new DOMParser().parseFromString(text, "text/html");
  }

  // Another model may be served than when the page was loaded.
  function refresh(page) {
    for (const part of ["#notes", "#served"]) {
      document.querySelector(part).replaceWith(page.querySelector(part));
    }
  }

  function fail(text) {
    const box = document.createElement("div");
    box.className = "banner danger";
    box.setAttribute("role", "alert");
    box.textContent = text;
    say("");
    place(resultsWith(box));
  }

  function resultsWith(content) {
    const results = document.querySelector("#results").cloneNode(false);
    const title = document.createElement("h2");
    title.id = "results-title";
    title.textContent = "Result";
    results.append(title, content);
    return results;
  }

  function place(results) {
    document.querySelector("#results").replaceWith(results);
    listen(results);
    results.focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (results.getBoundingClientRect().top > innerHeight / 2) {
      results.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    }
  }

  input.addEventListener("change", () => choose([...files, ...input.files]));
  clear.addEventListener("click", () => {
    choose([]);
    input.focus();
  });
  for (const type of ["dragenter", "dragover"]) drop.addEventListener(type, () => drop.classList.add("over"));
  for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
  // The picker takes no folders, and a file that is dropped beside it would replace the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    const dropped = input.disabled ? [] : await filesIn(event.dataTransfer, maxFiles + 1);
    if (dropped.length) choose([...files, ...dropped]);
  });
  addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (pasted.length && !input.disabled) choose([...files, ...pasted]);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const sample = event.submitter?.name === "sample" ? event.submitter : null;
    const body = new FormData();
    const onePatient = form.elements.one_patient;
    if (onePatient.checked) body.append(onePatient.name, onePatient.value);
    if (sample) {
      body.append("sample", sample.value);
      return send(body, "the phantom");
    }
    if (!files.length) {
      say("Choose at least one image first.");
      return input.focus();
    }
    if (files.reduce((sum, file) => sum + file.size, 0) > maxBytes) {
      return fail(`The chosen files are larger than ${Math.floor(maxBytes / 1048576)} MB together.`);
    }
    files.forEach((file) => body.append("image", file));
    return send(body, files.length === 1 ? "1 image" : `${files.length} images`);
  });
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden) return;
    const response = await fetch(form.action, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!response?.ok) return;
    const page = parse(await response.text());
    // The form is another one where there was no model, or is none any more.
    if (input.disabled !== page.querySelector("#image").disabled) location.reload();
    else refresh(page);
  });
  // A browser that comes back to the page may still have files in the picker.
  if (input.files.length) choose([...input.files]);
  if (/^#(results|overview|image-\d+)$/.test(location.hash) && !document.querySelector("article.result")) restore();
  listen(document);
}

// The files of a drop, those of its folders too, as many as `limit`; hidden ones are not meant.
async function filesIn(transfer, limit) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => {
    const entry = item.webkitGetAsEntry(); // only now: after the event a drop holds nothing
    return entry?.isDirectory ? entry : item.getAsFile();
  });
  const found = [];
  for (const entry of entries) await collect(entry, found, limit);
  return found.slice(0, limit);
}

async function collect(entry, found, limit) {
  if (entry instanceof File) return found.push(entry);
  if (entry.isFile) return found.push(await new Promise((done, failed) => entry.file(done, failed)));
  const reader = entry.createReader();
  let batch;
  do {
    batch = await new Promise((done, failed) => reader.readEntries(done, failed));
    const shown = batch.filter((one) => !one.name.startsWith("."));
    shown.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    for (const one of shown) if (found.length < limit) await collect(one, found, limit);
  } while (batch.length && found.length < limit);
}

function listen(root) {
  for (const slider of root.querySelectorAll(".opacity input")) {
    const map = slider.closest(".viewer").querySelector(".evidence");
    const output = slider.parentElement.querySelector("output");
    slider.addEventListener("input", () => {
      map.style.opacity = slider.value / 100;
      output.textContent = `${slider.value} %`;
    });
  }
  for (const button of root.querySelectorAll("button.print")) button.addEventListener("click", () => print());
  for (const table of root.querySelectorAll("table.overview")) makeSortable(table);
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.filter((head) => head.scope === "col").forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const way = head.ariaSort === "ascending" ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", way);
      const sign = way === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => compare(one.cells[head.cellIndex], other.cells[head.cellIndex], sign));
      table.tBodies[0].append(...rows);
    });
  });
}

// Empty cells come last, whichever way.
function compare(one, other, sign) {
  const [a, b] = [one, other].map((cell) => cell.dataset.value ?? cell.textContent.trim());
  if (!a || !b) return Number(!a) - Number(!b);
  return sign * a.localeCompare(b, undefined, { numeric: true });
}
