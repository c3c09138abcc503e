/** A session of `WS /v1/stream`: samples in, partial and final text out. docs/stream.md describes the protocol. */

import { urlOf } from "./api.js";
import { key } from "./keys.js";

/**
 * @param {number} sampleRate
 * @param {{onReady: () => void, onPartial: (text: string) => void, onSegment: (segment: any) => void,
 *   onDone: () => void, onError: (code: string, message: string) => void}} events  `onDone` or `onError` is the last
 * @returns {{send: (samples: Int16Array) => void, finish: () => void}}
 */
export function openSession(sampleRate, events) {
  const url = urlOf(`v1/stream?sample_rate=${sampleRate}`);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, key() ? ["shrutlekh", `key.${key()}`] : ["shrutlekh"]);
  socket.binaryType = "arraybuffer";
  // Samples may be sent before "ready", but not before the connection is open.
  let early = [];
  let isOver = false;

  function end(report) {
    if (isOver) return;
    isOver = true;
    report();
  }

  function send(message) {
    if (early) early.push(message);
    else if (socket.readyState === WebSocket.OPEN) socket.send(message);
  }

  socket.onopen = () => {
    for (const message of early) socket.send(message);
    early = null;
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "ready") events.onReady();
    else if (message.type === "partial") events.onPartial(message.text);
    else if (message.type === "segment") events.onSegment(message);
    else if (message.type === "done") end(events.onDone);
    else if (message.type === "error") end(() => events.onError(message.code, message.message));
  };
  socket.onclose = () => end(() => events.onError("offline", ""));
  return {
    send,
    finish: () => send(JSON.stringify({ type: "finish" })),
  };
}
