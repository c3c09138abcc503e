"""``python -m benchmarks.live``: measure live transcription.

Plays Common Voice's Hindi clips (dev), joined with pauses, to the engine, as fast as it takes them: how often
a shown word changes, what partial text costs, and whether the final text is that of the recording. With
``--url`` it plays them to a running service instead, at the pace of speech and to several sessions at once:
how long after a word ends it is shown.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import websockets
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import decoded, voices
from benchmarks.sounds import RATE, Samples, levelled
from modelkit import word_errors
from speech import Engine, samples_of
from transcript.words import Segment, Word

MODEL = Path("models/hi-ctc-base")
PAUSES = (0.3, 2.0)
PAUSE_DB = -70.0
PIECE_SECONDS = 0.1
CADENCES = (0.25, 0.4, 0.6, 1.0)
NEAR_SECONDS = 0.35
"""A shown word and a final word of the same text are the same if their middles are as near as this."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A partial text: when it was shown, in seconds of the audio, and its words. ``stable`` are sure ones."""

    at: float
    words: tuple[Word, ...]
    stable: int


@dataclass(slots=True)
class Run:
    """What one session showed."""

    partials: list[Shown] = field(default_factory=list)
    finals: list[tuple[float, Segment]] = field(default_factory=list)
    partial_cpu: float = 0.0
    cpu: float = 0.0

    @property
    def words(self) -> list[tuple[float, Word]]:
        return [(at, word) for at, segment in self.finals for word in segment.words]

    @property
    def text(self) -> str:
        return " ".join(segment.text for _, segment in self.finals)


def is_near(one: Word, other: Word) -> bool:
    return one.text == other.text and abs(one.start + one.end - other.start - other.end) < 2 * NEAR_SECONDS


def changed(partials: Iterable[tuple[Word, ...]], finals: Sequence[Word]) -> float:
    """Return the share of different words shown that are not in the final text."""
    shown: list[Word] = []
    for words in partials:
        shown += [word for word in words if not any(is_near(word, other) for other in shown[-80:])]
    return sum(not any(is_near(word, final) for final in finals) for word in shown) / max(len(shown), 1)


def latencies(run: Run) -> tuple[list[float], list[float]]:
    """Return for each final word the seconds from its end until any text, and itself, was shown there."""
    any_text, itself = [], []
    for at, word in run.words:
        there = [
            (shown.at, other)
            for shown in run.partials
            if shown.at <= at
            for other in shown.words
            if min(word.end, other.end) > max(word.start, other.start)
        ]
        any_text.append(min((when for when, _ in there), default=at) - word.end)
        same = (when for when, other in there if is_near(word, other))
        itself.append(min(same, default=at) - word.end)
    return any_text, itself


def conversation(seconds: float) -> tuple[Samples, str]:
    """Join clips with pauses; return them with the reference text."""
    dice = np.random.default_rng(3)
    parts: list[Samples] = []
    texts: list[str] = []
    for clip in voices():
        pause = dice.normal(0.0, 10 ** (PAUSE_DB / 20), round(dice.uniform(*PAUSES) * RATE))
        parts += [levelled(decoded(clip.path, RATE), -23.0), pause.astype(np.float32)]
        texts.append(clip.text)
        if sum(map(len, parts)) > seconds * RATE:
            break
    return np.clip(np.concatenate(parts), -1.0, 1.0), " ".join(texts)


def played(engine: Engine, pcm: bytes, cadence: float | None) -> Run:
    """Play audio to the engine; ``cadence`` is the new audio between two partial texts, None shows none."""
    run = Run()
    live = engine.transcribe_live(RATE)
    step = round(PIECE_SECONDS / 2 * RATE) * 2
    previewed, began = 0.0, time.process_time()
    for begin in range(0, len(pcm), step):
        run.finals += [
            (live.seconds, segment) for segment in live.push(samples_of(pcm[begin : begin + step]))
        ]
        if cadence is not None and live.seconds - previewed >= cadence - 1e-6:
            previewed, before = live.seconds, time.process_time()
            preview = live.preview()
            spent = time.process_time() - before
            run.partial_cpu += spent
            assert preview is not None
            run.partials.append(Shown(live.seconds + spent, preview.words, preview.stable))
    run.finals += [(live.seconds, segment) for segment in live.finish()]
    run.cpu = time.process_time() - began
    return run


async def served(url: str, pcm: bytes, sessions: int) -> list[Run]:
    """Play audio to a service at the pace of speech, in several sessions at once."""
    return list(await asyncio.gather(*(_served(url, pcm, number) for number in range(sessions))))


async def _served(url: str, pcm: bytes, number: int) -> Run:
    run = Run()
    address = f"{url.replace('http', 'ws', 1).rstrip('/')}/v1/stream?sample_rate={RATE}"
    step = round(PIECE_SECONDS * RATE) * 2
    await asyncio.sleep(number * 0.37)
    async with websockets.connect(address, compression=None) as connection:
        began = time.monotonic()

        async def speak() -> None:
            for begin in range(0, len(pcm), step):
                due = began + min(begin + step, len(pcm)) / 2 / RATE  # a piece exists when it is recorded
                await asyncio.sleep(max(due - time.monotonic(), 0.0))
                await connection.send(pcm[begin : begin + step])
            await connection.send('{"type": "finish"}')

        speaker = asyncio.create_task(speak())
        async for message in connection:
            event, at = json.loads(message), time.monotonic() - began
            if event["type"] == "segment":
                words = tuple(
                    Word(word["text"], word["start"], word["end"], word["confidence"])
                    for word in event["words"]
                )
                run.finals.append((at, Segment.from_words(words)))
            elif event["type"] == "partial":
                run.partials.append(Shown(at, _spread(event), 0))
        await speaker
    return run


def _spread(event: dict[str, float | str]) -> tuple[Word, ...]:
    """Partial texts have no times of words: give each the whole time that it may be in."""
    start, end = float(event["start"]), float(event["end"])
    return tuple(Word(text, start, end, 1.0) for text in str(event["text"]).split())


def shown_after(run: Run) -> list[float]:
    """Return for each final word the seconds from its end until a partial text held it."""
    found = []
    for at, segment in run.finals:
        for index, word in enumerate(segment.words):
            texts = [other.text for other in segment.words[: index + 1]]
            count = texts.count(word.text)
            when = (
                shown.at
                for shown in run.partials
                if word.end - 0.5 <= shown.at <= at
                and [other.text for other in shown.words].count(word.text) >= count
            )
            found.append(min(when, default=at) - word.end)
    return found


def quantiles(values: Sequence[float]) -> str:
    return f"{np.quantile(values, 0.5):.2f} / {np.quantile(values, 0.95):.2f}"


def of_engine(console: Console, pcm: bytes, reference: str) -> None:
    engine = Engine.load(MODEL)
    engine.warm()
    seconds = len(pcm) / 2 / RATE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.wav"
        soundfile.write(path, np.frombuffer(pcm, "<i2"), RATE, subtype="PCM_16")
        began = time.process_time()
        recorded = list(engine.transcribe(path).segments())
        batch_cpu = time.process_time() - began
    table = Table("way", "any text s", "right word s", "changed", "changed, stable", "cores", title="engine")
    table.add_row("recording", "", "", "", "", f"{batch_cpu / seconds:.3f}")
    for cadence in (None, *CADENCES):
        run = played(engine, pcm, cadence)
        assert [segment for _, segment in run.finals] == recorded, "the live text differs"
        finals = [word for _, word in run.words]
        any_text, itself = latencies(run)
        table.add_row(
            "segments only" if cadence is None else f"every {cadence:g} s",
            quantiles(any_text),
            quantiles(itself),
            f"{changed((one.words for one in run.partials), finals):.1%}",
            f"{changed((one.words[: one.stable] for one in run.partials), finals):.1%}",
            f"{run.cpu / seconds:.3f}",
        )
    console.print(table)
    errors = word_errors(reference, " ".join(segment.text for segment in recorded))
    console.print(f"{seconds:.0f} s of audio. Word error rate, live and recorded: {errors.rate:.1%}")


def of_service(console: Console, url: str, pcm: bytes, counts: Sequence[int]) -> None:
    table = Table("sessions", "right word s", "segment s", title="service")
    for count in counts:
        runs = asyncio.run(served(url, pcm, count))
        assert len({run.text for run in runs}) == 1, "the sessions differ"
        after = [value for run in runs for value in shown_after(run)]
        finals = [at - segment.end for run in runs for at, segment in run.finals]
        table.add_row(str(count), quantiles(after), quantiles(finals))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of audio to play")
    parser.add_argument("--url", help="of a running service to play to")
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 4, 8], help="sessions at once")
    arguments = parser.parse_args()
    console = Console(width=110)
    samples, reference = conversation(arguments.seconds)
    pcm = (samples * 32767).astype("<i2").tobytes()
    if arguments.url:
        of_service(console, arguments.url, pcm, arguments.sessions)
    else:
        of_engine(console, pcm, reference)


if __name__ == "__main__":
    main()
