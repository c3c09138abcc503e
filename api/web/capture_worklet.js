/** Runs in the audio thread: passes the microphone's samples on as signed 16-bit integers, 100 ms at a time. */
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.loudest = 0;
    this.port.onmessage = () => this.flush(); // whatever is left, at the end
  }

  process([input]) {
    const channel = input[0];
    if (!channel) return true;
    for (const sample of channel) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.loudest = Math.max(this.loudest, Math.abs(clipped));
      this.block[this.filled++] = Math.round(clipped * 32767);
      if (this.filled === this.block.length) this.flush();
    }
    return true;
  }

  flush() {
    const samples = this.block.slice(0, this.filled);
    this.port.postMessage({ samples, loudest: this.loudest }, [samples.buffer]);
    this.filled = 0;
    this.loudest = 0;
  }
}

registerProcessor("capture", Capture);
