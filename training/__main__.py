"""``python -m training``: prepare, train, respell, export, language-model, evaluate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.recipe import EVALUATION_SETS, EXCLUDED_MANIFESTS, HELD_OUT_BOOKS, PRIORS
from training.schedule import Course, Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()

WORK = Path(".work/training")
MODEL = Path("models/hi-ctc-small")
SPEECH = Path("../shared/speech")
SAMPLE = Path("samples/namaste.wav")
DESCRIPTION = (
    "Hindi, Conformer CTC over characters; a small model to start with, trained on little real Hindi."
)
DEFAULTS, COURSE = Settings(), Course()
Work = Annotated[Path, typer.Option(help="Folder for the store, checkpoints and logs.")]
SpeechDir = Annotated[
    Path | None,
    typer.Option(envvar="SHRUTLEKH_SPEECH_DIR", help="Folder with the recipe's own corpora and texts."),
]


@contextmanager
def _bar() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


@app.command()
def prepare(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    recipe: Annotated[bool, typer.Option(help="Use the recipe's own corpora and texts.")] = True,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(help="Your own TSV: path, text, seconds, speaker, language. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[Path] | None, typer.Option(help="Manifest of an evaluation set: none of its sentences is used.")
    ] = None,
    text: Annotated[list[Path] | None, typer.Option(help="More Hindi text to synthesise from.")] = None,
    hold_out: Annotated[list[str] | None, typer.Option(help="Speaker or book kept for evaluation.")] = None,
    hours_espeak: Annotated[float, typer.Option(help="About how many hours espeak-ng speaks.")] = 55.0,
    hours_festival: Annotated[float, typer.Option(help="About how many hours Festival speaks.")] = 8.0,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    again: Annotated[bool, typer.Option(help="Make the store again although it is there.")] = False,
) -> None:
    """Decode, synthesise and phonemise everything into one memory-mapped store, unless it is there."""
    from training.prepare import Sources, gather
    from training.prepare import prepare as run

    store = work / "store"
    if (store / "index.tsv").exists() and not again:
        console.print(f"{store} is there already; --again makes it anew.")
        return
    sources = Sources.of_recipe(speech_dir) if recipe and speech_dir is not None else Sources()
    sources.manifests += [(path, 1) for path in manifest or []]
    sources.excluded += exclude or []
    sources.whole_texts += text or []
    sources.held_out += hold_out or []
    tasks = gather(sources, {"synthetic": hours_espeak, "festival": hours_festival})
    with _bar() as progress:
        bar = progress.add_task("clips", total=len(tasks))
        hours = run(store, tasks, processes, lambda: progress.advance(bar))
    for name, value in sorted(hours.items()):
        console.print(f"{name:32s} {value:6.2f} h")


@app.command()
def pack(
    out: Annotated[Path, typer.Option(help="Folder for the parts; replaced.")] = Path(".work/pack"),
    speech_dir: SpeechDir = SPEECH,
    kilobits: Annotated[float, typer.Option(help="Opus bit rate of the training clips.")] = 12.0,
    part_mebibytes: Annotated[float, typer.Option(help="Size of a part at most.")] = 24.0,
    without: Annotated[
        list[str] | None, typer.Option(help="Corpus to leave out, such as other/sw-robotutor. Repeatable.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Make the recipe's corpora small enough to carry to a machine without a network (docs/models.md)."""
    from training.pack import pack as run

    if speech_dir is None:
        raise typer.BadParameter("--speech-dir is needed.")
    with _bar() as progress:
        bar = progress.add_task("clips", total=None)
        sizes = run(
            speech_dir, out, kilobits, int(part_mebibytes * 2**20), without or [], processes,
            lambda done, count: progress.update(bar, completed=done, total=count),
        )  # fmt: skip
    for number, size in enumerate(sizes, 1):
        console.print(f"{out / f'part-{number}'}  {size / 2**20:.1f} MiB")


@app.command()
def train(
    work: Work = WORK,
    dev: Annotated[
        list[Path] | None, typer.Option(help="Manifest to watch while training; it is never trained on.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on from this folder's checkpoint when there is one.")
    ] = False,
    init: Annotated[
        Path | None, typer.Option(help="Model folder whose weights to start from, such as a shipped one.")
    ] = None,
    updates: Annotated[int, typer.Option(help="The learning rate reaches zero here.")] = DEFAULTS.updates,
    minutes: Annotated[
        float | None,
        typer.Option(help="Or here, whichever comes first: by the clock, all parts together."),
    ] = None,
    peak: Annotated[float, typer.Option(help="Highest learning rate.")] = DEFAULTS.peak,
    warm_updates: Annotated[
        int, typer.Option(help="Updates on clean short synthetic clips first.")
    ] = DEFAULTS.warm_updates,
    batch_seconds: Annotated[
        float, typer.Option(help="Audio of one update, padding included.")
    ] = DEFAULTS.batch_seconds,
    real_share: Annotated[
        float,
        typer.Option(
            max=1.0, help="Least part of an epoch that is real speech; synthetic clips are left out for it."
        ),
    ] = DEFAULTS.real_share,
    width: Annotated[int, typer.Option(help="Channels of the encoder.")] = DEFAULTS.width,
    inner_blocks: Annotated[
        int, typer.Option(help="Encoder blocks at the halved frame rate.")
    ] = DEFAULTS.inner_blocks,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU's arithmetic.")] = DEFAULTS.threads,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: a GPU when torch sees one.")
    ] = DEFAULTS.device,
    seed: int = DEFAULTS.seed,
) -> None:
    """Train. Ctrl-C or SIGTERM keeps a checkpoint; --resume goes on from it, also to another --updates."""
    from training.batches import Symbols
    from training.curve import draw
    from training.export import initial_weights
    from training.heldout import from_manifest, from_store
    from training.loop import Stopped
    from training.loop import train as run
    from training.store import Store

    store = Store(work / "store")
    settings = Settings(
        updates=updates,
        minutes=minutes,
        peak=peak,
        warm_updates=0 if init else warm_updates,
        batch_seconds=batch_seconds,
        real_share=real_share,
        width=width,
        inner_blocks=inner_blocks,
        threads=threads,
        device=device,
        seed=seed,
    )
    initial = initial_weights(init, Symbols.load(work / "store"), settings) if init else None
    watched = [from_store(store), *(from_manifest(path.parent.name, path) for path in dev or [])]
    with _bar() as progress:
        bar = progress.add_task("updates", total=updates)

        def report(done: int, line: str) -> None:
            progress.update(bar, completed=done)
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        try:
            path = run(work, settings, [w for w in watched if w.texts], resume, initial, report)
        except Stopped:
            progress.console.print("Stopped; --resume goes on from here.")
            raise typer.Exit(130) from None
    draw(work / "loss.tsv", work / "held-out.tsv", work / "loss.png")
    console.print(f"Checkpoint: {path}. Loss: {work / 'loss.tsv'}, {work / 'loss.png'}.")


@app.command()
def blend(
    run: Annotated[list[Path], typer.Option(help="Work folder of a finished run. Repeatable.")],
    work: Annotated[Path, typer.Option(help="Work folder to make, with the first run's store.")],
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder that the runs began from, as one run more.")
    ] = None,
) -> None:
    """Average the weights of runs that began alike, or of one and the --model that it went on from."""
    from training.batches import Symbols
    from training.checkpoint import Checkpoint, blended
    from training.export import as_checkpoint

    runs = [Checkpoint.load(folder / "checkpoint.pt") for folder in run]
    symbols = Symbols.load(run[0] / "store")
    runs += [as_checkpoint(folder, symbols, runs[0]) for folder in model or []]
    made = blended(runs)
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "store").exists():
        (work / "store").symlink_to((run[0] / "store").resolve())
    made.save(work / "checkpoint.pt")
    console.print(f"Checkpoint: {work / 'checkpoint.pt'}")


@app.command()
def respell(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    recipe: Annotated[bool, typer.Option(help="Use the recipe's own texts.")] = True,
    text: Annotated[list[Path] | None, typer.Option(help="More Hindi text.")] = None,
    exclude: Annotated[
        list[Path] | None, typer.Option(help="Manifest of an evaluation set: none of its sentences is used.")
    ] = None,
    dev: Annotated[list[Path] | None, typer.Option(help="Manifest to watch; it is never trained on.")] = None,
    updates: Annotated[int, typer.Option(help="The learning rate reaches zero here.")] = COURSE.updates,
    minutes: Annotated[float | None, typer.Option(help="Or here, by the clock, if that is sooner.")] = None,
    peak: Annotated[float, typer.Option(help="Highest learning rate.")] = COURSE.peak,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU's arithmetic.")] = DEFAULTS.threads,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = DEFAULTS.device,
    seed: int = COURSE.seed,
) -> None:
    """Teach the spelling part of the checkpoint by text, as real voices would have it heard."""
    import torch

    from training.device import chosen_device
    from training.heldout import from_manifest
    from training.prepare import Sources
    from training.respelling import respell as run

    torch.set_num_threads(threads)
    sources = Sources.of_recipe(speech_dir) if recipe and speech_dir is not None else Sources()
    sources.excluded += exclude or []
    sources.whole_texts += text or []
    watched = [from_manifest(path.parent.name, path) for path in dev or []]
    course = Course(updates=updates, minutes=minutes, peak=peak, seed=seed)
    with _bar() as progress:
        bar = progress.add_task("updates", total=updates)

        def report(done: int, line: str) -> None:
            progress.update(bar, completed=done)
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        path = run(work, sources, course, chosen_device(device), watched, report)
    console.print(f"Checkpoint: {path}")


@app.command()
def export(
    work: Work = WORK,
    out: Annotated[Path, typer.Option(help="Model folder to write; its name becomes the model's.")] = MODEL,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "CC-BY-SA-4.0",
    description: Annotated[str, typer.Option(help="A sentence for model.json.")] = DESCRIPTION,
    command: Annotated[str, typer.Option(help="What made the model, for model.json.")] = "make model",
) -> None:
    """Write the checkpoint's averaged weights as a model folder, replacing one of that name in one step.

    Notes and the language model of the folder that is replaced stay; `modelkit tune` weighs it anew.
    """
    from modelkit.installation import copy_folder
    from modelkit.tuning import install_language_model
    from training.batches import Symbols
    from training.checkpoint import averaged_network, newest
    from training.export import described, write_folder

    symbols = Symbols.load(work / "store")
    checkpoint = newest(work)
    entries = {"licence": licence, "description": description, **described(checkpoint, symbols, command)}
    staged = work / "export" / out.name
    write_folder(averaged_network(checkpoint), symbols, staged, entries)
    for note in out.glob("*.md"):
        (staged / note.name).write_bytes(note.read_bytes())
    if (out / "lm").is_dir():
        install_language_model(out / "lm", staged)
    copy_folder(staged, out)
    console.print(f"Exported update {checkpoint.update}: {out}")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder.")] = MODEL,
    speech_dir: SpeechDir = SPEECH,
    sample: Annotated[
        Path | None, typer.Option(help="Clip whose text `modelkit verify` shall expect from now on.")
    ] = None,
) -> None:
    """Measure a model folder on the recipe's evaluation sets, with each decoder it has; keep the figures."""
    from modelkit.description import record_evaluation
    from modelkit.evaluation import score_model, summary
    from modelkit.manifest import read_manifest
    from modelkit.verification import record_check
    from speech.engine import DECODERS, GREEDY, Engine

    if speech_dir is None:
        raise typer.BadParameter("--speech-dir is needed.")
    for decoder in DECODERS if (model / "lm").is_dir() else (GREEDY,):
        engine = Engine.load(model, decoder=decoder)
        for chosen in EVALUATION_SETS:
            entries = read_manifest(speech_dir / chosen.manifest, chosen.speakers)
            with _bar() as progress:
                bar = progress.add_task(f"{chosen.name}, {decoder}", total=len(entries))
                results = score_model(engine, entries, lambda p=progress, b=bar: p.advance(b))  # type: ignore[misc]
            measured = summary(chosen.name, results, decoder)
            record_evaluation(model, measured)
            console.print(f"{chosen.name}, {decoder}: WER {measured['wer']:.4f} CER {measured['cer']:.4f}")
    if sample is not None:
        record_check(model, sample)


@app.command("language-model")
def language_model(
    speech_dir: SpeechDir = SPEECH,
    out: Annotated[Path, typer.Option(help="Folder to write words.arpa.gz to.")] = Path(".work/lm"),
    length: Annotated[int, typer.Option(min=2, max=5, help="Words of the longest n-gram.")] = 3,
    threshold: Annotated[
        float, typer.Option(help="Drop n-grams that change perplexity by a smaller part than this.")
    ] = 1e-8,
) -> None:
    """Estimate the word n-gram model that beam search uses, from the recipe's texts. Takes a minute."""
    from training.language_model import build

    if speech_dir is None:
        raise typer.BadParameter("--speech-dir is needed.")
    for key, value in build(speech_dir, out, length, threshold, console.print).items():
        console.print(f"{key}: {value}", highlight=False, markup=False)


@app.command()
def diagnose(
    work: Work = WORK,
    dev: Annotated[list[Path] | None, typer.Option(help="Manifest of Hindi to look at as well.")] = None,
    clips: Annotated[int, typer.Option(help="Of each corpus and language of the store, at most.")] = 40,
) -> None:
    """Phone and character errors of the checkpoint by corpus, in percent, the trained ones included."""
    from training.batches import Symbols
    from training.checkpoint import averaged_network, newest
    from training.diagnosis import from_dev, groups_of, losses_of
    from training.store import Store

    store = Store(work / "store")
    symbols = Symbols.load(work / "store")
    network = averaged_network(newest(work))
    print(f"{'':36s} phone    sub    del    ins     char    sub    del    ins")
    for path in dev or []:
        print(losses_of(network, symbols, *from_dev(path.parent.name, path)))
    for name, spoken in groups_of(store, clips):
        print(losses_of(network, symbols, name, spoken))


@app.command()
def hours(
    work: Work = WORK,
    dev: Annotated[list[Path] | None, typer.Option(help="Manifest to measure on as well.")] = None,
    part: Annotated[list[float] | None, typer.Option(help="Of the real clips. Repeatable.")] = None,
    updates: Annotated[int, typer.Option(help="Of each run.")] = 1500,
    width: Annotated[int, typer.Option(help="Channels of the encoder.")] = 96,
    inner_blocks: Annotated[int, typer.Option(help="Encoder blocks at the halved frame rate.")] = 4,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU's arithmetic.")] = DEFAULTS.threads,
) -> None:
    """Learning curve over hours of real speech: small networks on 1/8, 1/4, 1/2 and all of it."""
    from training.heldout import from_manifest, from_store
    from training.hours import learning_curve
    from training.store import Store

    settings = Settings(
        updates=updates, real_share=0.67, width=width, inner_blocks=inner_blocks, threads=threads
    )
    watched = [
        from_store(Store(work / "store")),
        *(from_manifest(path.parent.name, path) for path in dev or []),
    ]
    parts = part or [0.125, 0.25, 0.5, 1.0]
    rows = learning_curve(work, settings, parts, watched, lambda _, line: print(line, flush=True))
    for row in rows:
        console.print(f"{row['hours']:.1f} h  {row['set']}: WER {row['wer']:.3f} CER {row['cer']:.3f}")


@app.command("all")
def everything(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = MODEL,
    hours_espeak: Annotated[float, typer.Option(help="About how many hours espeak-ng speaks.")] = 55.0,
    hours_festival: Annotated[float, typer.Option(help="About how many hours Festival speaks.")] = 8.0,
    updates: Annotated[int, typer.Option(help="Of the whole network.")] = DEFAULTS.updates,
    minutes: Annotated[
        float | None, typer.Option(help="Or so long, by the clock, if that is sooner.")
    ] = None,
    respell_updates: Annotated[int, typer.Option(help="Of the spelling part, by text.")] = COURSE.updates,
    width: Annotated[int, typer.Option(help="Channels of the encoder.")] = DEFAULTS.width,
    inner_blocks: Annotated[
        int, typer.Option(help="Encoder blocks at the halved frame rate.")
    ] = DEFAULTS.inner_blocks,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU's arithmetic.")] = DEFAULTS.threads,
    trials: Annotated[int, typer.Option(min=1, help="Settings of beam search to try.")] = 100,
    sample: Annotated[Path | None, typer.Option(help="Clip for `modelkit verify`.")] = SAMPLE,
) -> None:
    """The default model from nothing: data, network, spelling, language model, tuning, figures.

    Goes on where it was stopped.
    """
    from modelkit.__main__ import tune
    from training.checkpoint import respelt

    if speech_dir is None or not speech_dir.is_dir():
        raise typer.BadParameter(f"There are no corpora at {speech_dir}: see docs/models.md.")
    dev = [speech_dir / name for name in EXCLUDED_MANIFESTS]
    prepare(work=work, speech_dir=speech_dir, hours_espeak=hours_espeak, hours_festival=hours_festival)
    train(
        work=work, dev=dev, resume=True, updates=updates, minutes=minutes, width=width,
        inner_blocks=inner_blocks, threads=threads,
    )  # fmt: skip
    if respelt(work) is None:
        respell(work=work, speech_dir=speech_dir, dev=dev, updates=respell_updates, threads=threads)
    export(work=work, out=out)
    if not (work / "lm" / "language-model.json").exists():
        language_model(speech_dir=speech_dir, out=work / "lm")
    tuned_on = EVALUATION_SETS[0]
    tune(
        out, speech_dir / tuned_on.manifest, language_model=work / "lm", priors=speech_dir / PRIORS,
        without=list(HELD_OUT_BOOKS), name=tuned_on.name, trials=trials,
    )  # fmt: skip
    evaluate(model=out, speech_dir=speech_dir, sample=sample)


if __name__ == "__main__":
    app()
