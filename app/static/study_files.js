// Which files people chose or dropped: plain ones, and whole folders at any depth.

export async function droppedFiles(transfer) {
  // The entries must be taken at once: the list is empty after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    // Some hundred at a time, until there are none.
    const entries = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!entries.length) return files;
    files.push(...(await Promise.all(entries.map(filesOf))).flat());
  }
}

// Parts that the server can decode while the next ones are on their way.
export function parts(files, mostBytes = 8e6) {
  const found = [];
  let size = Infinity;
  for (const file of files) {
    if (size + file.size > mostBytes) {
      found.push([]);
      size = 0;
    }
    found.at(-1).push(file);
    size += file.size;
  }
  return found;
}
