// A study on the server: opened, filled with files, asked for slices and answers, closed.

const AT_ONCE = 2; // while one part is decoded, the next one is sent

export class StudyError extends Error {}

export class Study {
  static async open(address, signal) {
    const response = await fetch(address, { method: "POST", headers: { Accept: "application/json" }, signal });
    return new Study((await checked(response).then((ok) => ok.json())).address);
  }

  constructor(address) {
    this.address = address;
  }

  async send(parts, signal, onProgress) {
    const total = parts.flat().reduce((sum, file) => sum + file.size, 0);
    const sent = parts.map(() => 0);
    const waiting = parts.map((files, index) => ({ files, index }));
    const sender = async () => {
      for (let part; (part = waiting.shift()); ) {
        await upload(`${this.address}/files`, part.files, signal, (bytes) => {
          sent[part.index] = bytes;
          onProgress(Math.min(1, sent.reduce((sum, one) => sum + one, 0) / total));
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
  }

  // Yields what the server says, object by object.
  async *answers(series, signal) {
    const response = await checked(await fetch(`${this.address}/answers?series=${series}`, { signal }));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  }

  // Hounsfield units, row by row. They come little-endian, as every browser keeps them.
  async slice(number, series, signal) {
    const response = await checked(await fetch(`${this.address}/slices/${number}?series=${series}`, { signal }));
    return new Int16Array(await response.arrayBuffer());
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    // Also while the page goes away.
    fetch(this.address, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}

async function checked(response) {
  if (response.ok) return response;
  throw problem(response.status, await response.text());
}

function problem(status, text) {
  let detail = "The server could not be understood.";
  try {
    detail = JSON.parse(text).detail;
  } catch {
    // A proxy in between answered, in its own words.
  }
  return Object.assign(new StudyError(detail), { status });
}

// Not by `fetch`, which doesn't tell how much of a body has been sent.
function upload(address, files, signal, onProgress) {
  return new Promise((done, failed) => {
    const body = new FormData();
    for (const file of files) body.append("file", file, "file"); // its name may name a patient
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () =>
      request.status < 300 ? done() : failed(problem(request.status, request.responseText)),
    );
    request.addEventListener("error", () => failed(new StudyError("The server could not be reached.")));
    request.addEventListener("abort", () => failed(new DOMException("Cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) return failed(new DOMException("Cancelled", "AbortError"));
    request.send(body);
  });
}
