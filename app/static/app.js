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
  const status = form.querySelector("#status");
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
    if (chosen.length > maxFiles) say(`Only the first ${maxFiles} files are kept.`);
    else say(files.length ? `${files.length} ${files.length === 1 ? "image" : "images"} chosen.` : "");
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
      show(new DOMParser().parseFromString(await response.text(), "text/html"));
      say(response.ok ? `Done: ${sent} classified.` : "");
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
    if (results) place(results);
    else place(resultsWith(problem));
    document.title = page.title;
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
  // Dropped beside the picker, a file would replace the page.
  addEventListener("dragover", (event) => event.target !== input && event.preventDefault());
  addEventListener("drop", (event) => {
    if (event.target === input) return;
    event.preventDefault();
    if (!input.disabled && event.dataTransfer.files.length) choose([...files, ...event.dataTransfer.files]);
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
  // A browser that comes back to the page may still have files in the picker.
  if (input.files.length) choose([...input.files]);
  listen(document);
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
}
