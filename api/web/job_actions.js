/** What a person can do with jobs in the list: cancel, retry, delete, download the texts. */

import { ApiError, request } from "./api.js";
import { t } from "./text.js";
import { zipOf } from "./zip.js";

export const isFinal = ({ status }) => status !== "queued" && status !== "running";
export const canCancel = (job) => !isFinal(job) && !job.cancel_requested;
export const canRetry = ({ status }) => status === "failed" || status === "cancelled";
export const hasText = ({ links }) => Boolean(links.transcript);

/** Cancel a job that has not ended. Returns the job as it is now, or null if it is gone. */
export async function cancelJob(job) {
  return removal(job);
}

/** Erase a job that has ended, with its recording and results. */
export async function eraseJob(job) {
  return removal(job);
}

/** Queue a failed or cancelled job again. Returns the job. */
export async function retryJob(job) {
  return (await request(`${job.links.self}/retry`, { method: "POST" })).json();
}

/**
 * Do something with many jobs, a few at a time.
 * @param {Iterable<any>|AsyncIterable<any>} jobs
 * @param {(job: any) => Promise<any>} act
 * @param {(done: number, failed: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<{done: number, failed: number, error: Error|null}>}
 */
export async function each(jobs, act, onProgress, signal) {
  const result = { done: 0, failed: 0, error: null };
  const source = jobs[Symbol.asyncIterator]?.() ?? jobs[Symbol.iterator]();
  const take = async () => {
    for (;;) {
      const { value, done } = await source.next();
      if (done || signal.aborted) return;
      try {
        await act(value);
        result.done += 1;
      } catch (error) {
        result.failed += 1;
        result.error = error;
      }
      onProgress(result.done, result.failed);
    }
  };
  await Promise.all(Array.from({ length: 4 }, take));
  return result;
}

/**
 * Make a zip of transcripts.
 * @param {Iterable<any>|AsyncIterable<any>} jobs those without a text are skipped
 * @returns {Promise<{blob: Blob, done: number, failed: number}>}
 */
export async function zipOfTexts(jobs, format, onProgress, signal) {
  const names = new Set();
  const files = [];
  const act = async (job) => {
    if (!hasText(job)) return;
    const response = await request(`${job.links.transcript}?format=${format}`, { signal });
    files.push({ name: freeName(job, format, names), data: new Uint8Array(await response.arrayBuffer()) });
  };
  const { failed } = await each(jobs, act, onProgress, signal);
  files.sort((one, other) => one.name.localeCompare(other.name));
  return { blob: zipOf(files), done: files.length, failed };
}

/** The name of a recording without its extension. */
export function stemOf({ file }) {
  return file.name.replace(/\.[^.]{1,5}$/, "") || file.name;
}

/** Offer a blob as a download. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function freeName(job, format, names) {
  const folder = job.file.folder ? `${job.file.folder}/` : "";
  const stem = stemOf(job);
  for (let number = 1; ; number += 1) {
    const name = `${folder}${stem}${number > 1 ? ` (${number})` : ""}.${format}`;
    if (!names.has(name.toLowerCase())) {
      names.add(name.toLowerCase());
      return name;
    }
  }
}

async function removal(job) {
  try {
    const response = await request(job.links.self, { method: "DELETE" });
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null; // somebody was faster
    throw error;
  }
}

/** A sentence about what became of an action on several jobs. */
export function outcome(key, { done, failed, error }) {
  const text = t(key, { n: done });
  return failed ? `${text} ${t("actions.failed", { n: failed })} ${error?.message ?? ""}` : text;
}
