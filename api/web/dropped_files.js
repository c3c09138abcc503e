/** The recordings among the files that were dropped or chosen, also those inside folders. */

// Container formats that the service reads. A file of another kind inside a folder is skipped and counted.
const EXTENSIONS = new Set(
  ("wav mp3 m4a m4b mp4 aac ogg oga opus flac amr 3gp 3g2 webm wma asf aif aiff aifc au snd caf w64 rf64 mka mkv mov " +
    "avi mpg mpeg ts ac3 eac3 wv ape tta voc gsm sph nist").split(" "),
);

/**
 * @typedef {{files: {file: File, name: string}[], skipped: number}} Found
 * @param {DataTransfer} transfer
 * @returns {Promise<Found>}
 */
export async function inTransfer(transfer) {
  // The entries must be taken before the first await: the browser empties the list after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return inList(transfer.files);
  const found = { files: [], skipped: 0 };
  for (const entry of entries) await walk(entry, "", found, entry.isFile);
  return found;
}

/**
 * @param {FileList} list of an `<input type="file">`
 * @returns {Found}
 */
export function inList(list) {
  const found = { files: [], skipped: 0 };
  for (const file of list) take(file, file.webkitRelativePath || file.name, found, !file.webkitRelativePath);
  found.files.sort(byName);
  return found;
}

async function walk(entry, folder, found, isChosen) {
  const name = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) take(file, name, found, isChosen);
    else found.skipped += 1;
    return;
  }
  const reader = entry.createReader();
  const children = [];
  for (;;) {
    // A reader returns at most 100 entries at once.
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) break;
    children.push(...some);
  }
  children.sort(byName);
  for (const child of children) await walk(child, name, found, false);
}

function take(file, name, found, isChosen) {
  const isHidden = file.name.startsWith(".");
  if (isChosen || (!isHidden && isRecording(file))) found.files.push({ file, name });
  else if (!isHidden) found.skipped += 1;
}

function isRecording({ name, type }) {
  return /^(audio|video)\//.test(type) || EXTENSIONS.has(name.split(".").pop().toLowerCase());
}

function byName(one, other) {
  return one.name.localeCompare(other.name, undefined, { numeric: true });
}
