"""``python -m benchmarks.telephone``: measure the loss of words over telephone lines.

The clips of Common Voice Hindi (dev) go through simulated lines: limited to the telephone band (300 to 3,400
Hz at 8 kHz), a fixed line (G.711 mu-law), a mobile phone (AMR-NB, 12.2 kbit/s) and a messenger's voice note
(Opus, 16 kbit/s, full band). The resulting files are transcribed like any recording, greedily and with the
language model, and compared with the originals.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from av.audio.stream import AudioStream
from rich.console import Console
from rich.progress import track
from rich.table import Table
from shrutlekh_contract.decoders import DECODERS

from benchmarks.recordings import decoded, speech_dir
from modelkit import Entry, read_manifest
from modelkit.measuring.evaluation import Rate, Scored, rate, scored
from shared.settings import Settings
from speech import Engine

Samples = npt.NDArray[np.float32]

LINE_RATE = 8_000
FULL_RATE = 48_000
BAND = (300.0, 3400.0)
EDGE_HERTZ = 50.0
AMR_BITS = 12_200
OPUS_BITS = 16_000
RESAMPLES = 1000
ORIGINAL = "as recorded"


def band_limited(samples: Samples, rate: int) -> Samples:
    """Limit `samples`, shape (samples,), to the telephone band; the edges fall off over 50 Hz."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    low, high = BAND
    gain = np.clip((hertz - low) / EDGE_HERTZ + 0.5, 0, 1) * np.clip((high - hertz) / EDGE_HERTZ + 0.5, 0, 1)
    return np.fft.irfft(spectrum * gain, len(samples)).astype(np.float32)


def as_recorded(clip: Path, _: Path) -> Path:
    return clip


def narrow(clip: Path, to: Path) -> Path:
    """Write a clip at 8 kHz and 16 bits, limited to the telephone band."""
    soundfile.write(to, _line(clip), LINE_RATE, format="WAV", subtype="PCM_16")
    return to


def mu_law(clip: Path, to: Path) -> Path:
    soundfile.write(to, _line(clip), LINE_RATE, format="WAV", subtype="ULAW")
    return to


def amr(clip: Path, to: Path) -> Path:
    _encode(to, "amr", "libopencore_amrnb", _line(clip), LINE_RATE, AMR_BITS)
    return to


def opus(clip: Path, to: Path) -> Path:
    _encode(to, "ogg", "libopus", decoded(clip, FULL_RATE), FULL_RATE, OPUS_BITS)
    return to


LINES: dict[str, Callable[[Path, Path], Path]] = {
    ORIGINAL: as_recorded,
    "telephone band, 8 kHz": narrow,
    "G.711 mu-law": mu_law,
    "AMR-NB 12.2 kbit/s": amr,
    "voice note, Opus 16 kbit/s": opus,
}


def _line(clip: Path) -> Samples:
    samples = soxr.resample(decoded(clip, FULL_RATE), FULL_RATE, LINE_RATE, quality="HQ")
    return np.clip(band_limited(samples, LINE_RATE), -1, 1)


def _encode(to: Path, container: str, codec: str, samples: Samples, rate: int, bits: int) -> None:
    frame = av.AudioFrame.from_ndarray((samples * 32_767).astype(np.int16)[None], "s16", "mono")
    frame.sample_rate = rate
    fifo = av.AudioFifo()
    fifo.write(frame)
    with av.open(str(to), "w", format=container) as output:
        stream = cast("AudioStream", output.add_stream(codec, rate=rate))
        context = stream.codec_context
        context.layout, context.format, context.bit_rate = "mono", "s16", bits
        context.open()
        done = 0
        while part := fifo.read(context.frame_size) or fifo.read(0, partial=True):
            part.pts, done = done, done + part.samples
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))


@dataclass(frozen=True, slots=True)
class Result:
    """Error rates on one line with one decoder. Losses are relative to the original clips."""

    line: str
    decoder: str
    wer: Rate
    cer: Rate
    wer_loss: Rate
    cer_loss: Rate


def loss(here: Sequence[Scored], original: Sequence[Scored], kind: str) -> Rate:
    """Compute the difference of two corpus error rates on the same clips, with a paired interval."""
    lengths = np.array([getattr(one, kind).reference_length for one in original])
    more = np.array(
        [
            getattr(one, kind).errors - getattr(two, kind).errors
            for one, two in zip(here, original, strict=True)
        ]
    )
    drawn = np.random.default_rng(0).integers(len(more), size=(RESAMPLES, len(more)))
    low, high = np.quantile(more[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), [0.025, 0.975])
    return Rate(float(more.sum() / lengths.sum()), float(low), float(high))


def measure(model: Path, entries: Sequence[Entry], decoders: Sequence[str]) -> list[Result]:
    """Measure every line with every decoder."""
    results = []
    with tempfile.TemporaryDirectory(prefix="telephone-") as temporary:
        for decoder in decoders:
            engine = Engine.load(model, decoder=decoder)
            original: list[Scored] = []
            for line, send in LINES.items():
                found = []
                for entry in track(
                    entries, f"{decoder}: {line}", console=Console(stderr=True), transient=True
                ):
                    path = send(entry.path, Path(temporary) / "recording")
                    with engine.transcribe(path) as transcription:
                        text = " ".join(segment.text for segment in transcription.segments())
                        found.append(scored(entry, text, transcription.summary.seconds))
                original = original or found
                results.append(
                    Result(
                        line,
                        decoder,
                        rate([one.words for one in found]),
                        rate([one.characters for one in found]),
                        loss(found, original, "words"),
                        loss(found, original, "characters"),
                    )
                )
    return results


def table(results: Sequence[Result]) -> Table:
    """Make a table with a row per line and decoder."""
    rows = Table("line", "decoder", title="Common Voice Hindi, dev: error rates in %, 95 % interval")
    for column in ("WER", "CER", "WER lost", "CER lost"):
        rows.add_column(column, justify="right")
    for one in results:
        lost = ["", ""] if one.line == ORIGINAL else [_signed(one.wer_loss), _signed(one.cer_loss)]
        rows.add_row(one.line, one.decoder, f"{100 * one.wer.value:.1f}", f"{100 * one.cer.value:.1f}", *lost)
    return rows


def _signed(value: Rate) -> str:
    return f"{100 * value.value:+.1f} ({100 * value.low:+.1f} to {100 * value.high:+.1f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telephone", description=__doc__)
    parser.add_argument("--model", type=Path, help="a model folder (default: the service's model)")
    parser.add_argument(
        "--speech", type=Path, default=Path("../shared/speech"), help="folder that holds cv-hi/"
    )
    parser.add_argument("--decoders", nargs="+", choices=DECODERS, default=list(DECODERS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    settings = Settings()
    model = arguments.model or settings.models_dir / settings.default_model
    entries = read_manifest(speech_dir() / "cv-hi" / "manifest.tsv")
    results = measure(model, entries, arguments.decoders)
    if arguments.json:
        rows = [
            {
                "line": one.line,
                "decoder": one.decoder,
                "wer": one.wer.value,
                "cer": one.cer.value,
                "wer_loss": one.wer_loss.value,
                "cer_loss": one.cer_loss.value,
            }
            for one in results
        ]
        print(json.dumps(rows))
    else:
        Console().print(table(results))


if __name__ == "__main__":
    main()
