/** The wire format of server-sent events, read from a response of fetch: an EventSource can't send an API key. */

/**
 * Read events until the stream ends, the signal, or `onEvent` returns false.
 * @param {Response} response
 * @param {number} silence milliseconds without a byte after which the connection counts as broken
 * @param {AbortSignal|undefined} signal
 * @param {(event: {id: string|null, name: string, data: string}) => boolean} onEvent
 * @throws when the connection breaks
 */
export async function readEvents(response, silence, signal, onEvent) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => reader.cancel().catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  let rest = "";
  let event = empty();
  try {
    for (;;) {
      const { value, done } = await within(silence, reader.read());
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (event.data !== null && onEvent(event) === false) return;
          event = { ...empty(), id: event.id };
        } else {
          take(event, line);
        }
      }
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

function empty() {
  return { id: null, name: "message", data: null };
}

function take(event, line) {
  const colon = line.indexOf(":");
  if (colon === 0) return; // a comment
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (field === "event") event.name = value;
  else if (field === "id") event.id = value;
  else if (field === "data") event.data = event.data === null ? value : `${event.data}\n${value}`;
}

async function within(milliseconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("silence")), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
