"""Commands that measure and tune decoding: times, confidence, hot-words, greedy against beam search."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from shrutlekh_contract.decoders import BEAM, GREEDY, decoders_of
from shrutlekh_contract.options import RecognitionOptions

from modelkit.decoding import calibration, timing
from modelkit.decoding.preference import effect, hotword_lists
from modelkit.measuring.evaluation import rate
from modelkit.measuring.manifest import Entry, read_manifest
from modelkit.measuring.noises import FITTED, UNMET, Kinds, noises
from modelkit.measuring.scoring import character_errors, word_errors
from modelkit.measuring.utterances import utterances_of
from speech import Engine, Utterance
from speech.decoding import (
    FEATURES,
    BeamDecoder,
    Floats,
    GreedyDecoder,
    WordTimes,
    plain_confidences,
)
from speech.recognisers import as_ctc

console = Console()

Folder = Annotated[Path, typer.Argument(help="Model folder.")]
Manifests = Annotated[list[Path], typer.Option("--manifest", help="TSV: path, text, speaker. Repeatable.")]
Speakers = Annotated[
    list[str] | None,
    typer.Option("--speaker", help="Use only these speakers of a manifest that has any of them. Repeatable."),
]
Without = Annotated[
    list[str] | None, typer.Option("--without", help="Speaker or book to leave out. Repeatable.")
]
WEIGHTS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0)


def chosen_entries(
    manifests: list[Path], speakers: list[str] | None, without: list[str] | None
) -> list[Entry]:
    """Return the entries of several manifests, see `Manifests`, `Speakers` and `Without`."""
    found = []
    for manifest in manifests:
        entries = [e for e in read_manifest(manifest) if e.speaker not in (without or ())]
        named = [e for e in entries if e.speaker in (speakers or ())]
        found += named or entries
    if not found:
        raise typer.BadParameter("The manifests have no matching recordings.")
    return found


def _listened(folder: Path, entries: list[Entry]) -> tuple[Engine, list[list[Utterance]]]:
    engine = Engine.load(folder, decoder=GREEDY)
    with typer.progressbar(length=len(entries), label="recordings", file=sys.stderr) as bar:
        return engine, utterances_of(engine, entries, lambda: bar.update(1))


def _decoders(engine: Engine) -> dict[str, GreedyDecoder | BeamDecoder]:
    found: dict[str, GreedyDecoder | BeamDecoder] = {GREEDY: GreedyDecoder.of_model(engine.folder)}
    if BEAM in decoders_of(engine.folder.path):
        found[BEAM] = BeamDecoder.of_model(engine.folder)
    return found


def times(
    folder: Folder,
    manifest: Manifests,
    word_times: Annotated[Path, typer.Option(help="TSV with the columns path, start, end, word.")],
    speaker: Speakers = None,
    without: Without = None,
    fit: Annotated[
        bool, typer.Option(help="First fit `decoding.times` on these recordings and record it.")
    ] = False,
) -> None:
    """Compare word times with hand-made ones: of the true text by forced alignment, and of decoded words."""
    truths = timing.read_word_times(word_times)
    entries = [e for e in chosen_entries(manifest, speaker, without) if e.path in truths]
    engine, heard = _listened(folder, entries)
    model, rate_ = engine.folder, engine.folder.sample_rate
    aligned, skipped = [], 0
    known = []
    for entry in entries:
        waveform = timing.read_waveform(entry.path, rate_)
        truth = timing.timed(waveform, rate_, truths[entry.path])
        known.append(truth)
        found = timing.align_words(model, engine.recogniser, waveform, truth.words)
        if found is None:
            skipped += 1
        else:
            aligned.append((found, truth, len(waveform) / rate_))
    if fit:
        timing.record_times(folder, timing.fit(model, aligned))
        engine = Engine.load(folder, decoder=GREEDY)
        model = engine.folder
    kept = WordTimes.of_model(model.decoding)
    console.print(f"decoding.times: start {kept.start:+.2f} s, end {kept.end:+.2f} s")
    console.print(f"{len(entries)} recordings; {skipped} of them could not be aligned", highlight=False)
    rows: list[tuple[str, list[Any], list[Any], list[Any]]] = []
    forced = [(timing.aligned_times(model, one, kept, seconds), truth) for one, truth, seconds in aligned]
    rows.append(
        ("alignment", [t for t, _ in forced], [k.sounds for _, k in forced], [k.cuts for _, k in forced])
    )
    for name, decoder in _decoders(engine).items():
        given, sounds, cuts = [], [], []
        for utterances, truth in zip(heard, known, strict=True):
            which, found_times = timing.decoded_times(decoder, utterances, truth.words)
            given.append(found_times)
            sounds.append(truth.sounds[which])
            cuts.append(truth.cuts[which])
        rows.append((name, given, sounds, cuts))
    _print_times(rows)


def _print_times(rows: list[tuple[str, list[Any], list[Any], list[Any]]]) -> None:
    """Print errors by source of the words: against the true times without silence, and against the marks."""
    table = Table(
        "words by", "words", "start median", "p90", "end median", "p90", "p90 to the marks", title="ms"
    )
    for name, given, sounds, cuts in rows:
        errors = np.abs(np.concatenate(given) - np.concatenate(sounds)) * 1000
        marks = np.abs(np.concatenate(given) - np.concatenate(cuts)) * 1000
        if not len(errors):
            table.add_row(name, "0")
            continue
        cells = [f"{np.nanpercentile(errors[:, side], at):.0f}" for side in (0, 1) for at in (50, 90)]
        worst = " / ".join(f"{np.nanpercentile(marks[:, side], 90):.0f}" for side in (0, 1))
        table.add_row(name, str(len(errors)), *cells, worst)
    console.print(table)


def calibrate(
    folder: Folder,
    manifest: Manifests,
    speaker: Speakers = None,
    without: Without = None,
    noise: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of words decoded from synthetic noise.")
    ] = 0.1,
    write: Annotated[bool, typer.Option(help="Record the fit in model.json.")] = False,
) -> None:
    """Fit the word confidence of each decoder, and print its quality on unseen speakers."""
    entries = chosen_entries(manifest, speaker, without)
    engine, heard = _listened(folder, entries)
    for name, decoder in _decoders(engine).items():
        words = calibration.gather(decoder, entries, heard)
        in_noise = _heard_in(FITTED, engine, decoder)
        wrong = np.concatenate(
            [np.zeros((0, len(FEATURES))), *(one for ones in in_noise.values() for one in ones)]
        )
        found = calibration.cross_validated(words, wrong, noise)
        area, error = _print_reliability(f"{name}, each speaker by the others", words, found)
        fitted = calibration.fit(*calibration.with_noise(words.features, words.right, wrong, noise))
        for kind, ones in {**in_noise, **_heard_in(UNMET, engine, decoder)}.items():
            means = [float(fitted.confidences(one).mean()) for one in ones if len(one)]
            console.print(
                f"  {kind}{' (fitted)' if kind in in_noise else ''}: words in {len(means)} of {len(ones)}, "
                f"mean {np.mean(means or [0.0]):.2f}, at most {max(means, default=0.0):.2f}",
                highlight=False,
            )
        if write:
            facts = {
                "words": len(words.right),
                "speakers": len(set(words.speakers.tolist())),
                "cross_validated_error": round(error, 3),
                "cross_validated_area": round(area, 3),
            }
            calibration.record_confidence(folder, name, fitted, facts)


def _heard_in(kinds: Kinds, engine: Engine, decoder: GreedyDecoder | BeamDecoder) -> dict[str, list[Floats]]:
    """Return the features of the words decoded from each synthetic noise, by kind of noise."""
    found: dict[str, list[Floats]] = {}
    for kind, waveform in noises(kinds, engine.folder.sample_rate):
        features = decoder.hear(as_ctc(engine.recogniser).log_probs([waveform])[0]).features
        found.setdefault(kind, []).append(features)
    return found


def _print_reliability(title: str, words: calibration.Words, found: Floats) -> tuple[float, float]:
    """Print the quality of confidences. Returns the area under the curve and the calibration error."""
    bins = calibration.reliability(found, words.right)
    table = Table("confidence", "words", "mean", "right", title=title)
    for row in bins:
        cells = f"{row.low:.1f} to {row.high:.1f}", str(row.words), f"{row.confidence:.2f}"
        table.add_row(*cells, f"{row.right:.2f}")
    console.print(table)
    plain = plain_confidences(words.features)
    figures = {}
    for label, values in (("calibrated", found), ("geometric mean", plain)):
        error = calibration.calibration_error(calibration.reliability(values, words.right))
        figures[label] = calibration.area_under_curve(values, words.right), error
        console.print(
            f"{label}: calibration error {error:.3f}, area under the curve {figures[label][0]:.3f}",
            highlight=False,
        )
    for one in sorted(set(words.speakers.tolist())):
        own = words.speakers == one
        area = calibration.area_under_curve(found[own], words.right[own])
        console.print(
            f"  {one}: {own.sum()} words, mean {found[own].mean():.2f}, "
            f"right {words.right[own].mean():.2f}, area {area:.2f}",
            highlight=False,
        )
    return figures["calibrated"]


def hotwords(
    folder: Folder,
    manifest: Manifests,
    speaker: Speakers = None,
    without: Without = None,
    most: Annotated[
        int, typer.Option(min=1, help="Most missed words in a speaker's list; as many others are added.")
    ] = 20,
    weight: Annotated[list[float] | None, typer.Option(help="Weight to try. Repeatable.")] = None,
    show: Annotated[bool, typer.Option(help="Print the lists.")] = False,
) -> None:
    """Measure hot-words: rare words that beam search misses, and as many that are never spoken."""
    entries = chosen_entries(manifest, speaker, without)
    engine, heard = _listened(folder, entries)
    decoder = BeamDecoder.of_model(engine.folder)
    lists = hotword_lists(decoder, entries, heard, most)
    if show:
        for name, words in lists.items():
            console.print(f"{name}: {' '.join(words)}", markup=False, highlight=False)
    table = Table("weight", "said", "found", "false", "WER", "WER of the other words")
    for tried in (None, *(weight or WEIGHTS)):
        found = effect(decoder, entries, heard, lists, tried)
        label = "none" if tried is None else f"{tried:g}"
        cells = str(found.said), str(found.found), str(found.false)
        table.add_row(label, *cells, f"{found.errors.rate:.3f}", f"{found.others.rate:.3f}")
    console.print(table)


def decoders(
    folder: Folder,
    manifest: Manifests,
    speaker: Speakers = None,
    without: Without = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="Number of runs, of which the least CPU time counts.")
    ] = 3,
) -> None:
    """Compare greedy decoding with beam search: error rates, and CPU time from file to words."""
    entries = chosen_entries(manifest, speaker, without)
    engine = Engine.load(folder, decoder=GREEDY)
    engine.warm()
    names = decoders_of(engine.folder.path)
    for name in names:
        engine.decoder_named(name)  # made before the clock runs
    seconds: dict[str, list[float]] = {name: [] for name in names}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name in names:
            began = time.process_time()
            texts[name] = [_text(engine, entry, RecognitionOptions(decoder=name)) for entry in entries]
            seconds[name].append(time.process_time() - began)
    table = Table("decoder", "WER", "CER", "CPU s", "of greedy's")
    for name in names:
        pairs = list(zip(entries, texts[name], strict=True))
        wer = rate([word_errors(entry.text, text) for entry, text in pairs])
        cer = rate([character_errors(entry.text, text) for entry, text in pairs])
        spent = min(seconds[name])
        cells = f"{wer.value:.4f}", f"{cer.value:.4f}", f"{spent:.2f}"
        table.add_row(name, *cells, f"{spent / min(seconds[GREEDY]):.2f}")
    console.print(table)


def _text(engine: Engine, entry: Entry, options: RecognitionOptions) -> str:
    with engine.transcribe(entry.path, options=options) as transcription:
        return " ".join(segment.text for segment in transcription.segments())


COMMANDS = (times, calibrate, hotwords, decoders)
