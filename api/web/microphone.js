/** The microphone as blocks of samples. */

const PREFERRED_RATE = 16_000;
const HIGHEST_RATE = 48_000;

/** Why there is no microphone: "insecure", "denied", "missing" or "busy". */
export class NoMicrophone extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * Open the microphone.
 * @param {(samples: Int16Array, loudest: number) => void} onBlock 100 ms of one channel; `loudest` is 0 to 1
 * @returns {Promise<{sampleRate: number, stop: () => Promise<void>}>} `stop` returns when the last block came
 * @throws {NoMicrophone}
 */
export async function openMicrophone(onBlock) {
  // Browsers give a microphone only to pages from https or from this machine.
  if (!isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new NoMicrophone("insecure");
  const stream = await ask();
  try {
    const context = await contextFor(stream);
    await context.audioWorklet.addModule(new URL("capture_worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    const blocks = { last: null };
    node.port.onmessage = ({ data: { samples, loudest } }) => {
      if (samples.length) onBlock(samples, loudest);
      blocks.last?.();
    };
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
    return {
      sampleRate: context.sampleRate,
      async stop() {
        const flushed = new Promise((resolve) => { blocks.last = resolve; });
        node.port.postMessage("flush");
        await Promise.race([flushed, new Promise((resolve) => { setTimeout(resolve, 500); })]);
        for (const track of stream.getTracks()) track.stop();
        await context.close();
      },
    };
  } catch (error) {
    for (const track of stream.getTracks()) track.stop();
    throw error;
  }
}

async function ask() {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true } });
  } catch ({ name }) {
    if (name === "NotAllowedError" || name === "SecurityError") throw new NoMicrophone("denied");
    throw new NoMicrophone(name === "NotReadableError" ? "busy" : "missing");
  }
}

/** Make a context at the model's rate. Some browsers can't connect a microphone of another rate to it. */
async function contextFor(stream) {
  for (const sampleRate of [PREFERRED_RATE, undefined, HIGHEST_RATE]) {
    const context = new AudioContext(sampleRate ? { sampleRate } : {});
    try {
      context.createMediaStreamSource(stream);
      if (context.sampleRate <= HIGHEST_RATE) return context;
    } catch {
      // The next rate.
    }
    await context.close();
  }
  throw new NoMicrophone("missing");
}
