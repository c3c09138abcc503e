"""Commands that make and measure model folders: export, language-model, evaluate."""

from pathlib import Path
from typing import Annotated

import typer
from shrutlekh_contract.decoders import decoders_of

from modelkit import read_manifest, record_evaluation
from modelkit.measuring.evaluation import score_model, summary
from modelkit.verification import record_check
from speech import Engine
from training.commands import MODEL, SPEECH, WORK, SpeechDir, Work, bar, console, require_corpora, steps
from training.language_model.build import build
from training.recipe import EVALUATION_SETS

app = typer.Typer()

DESCRIPTION = "Hindi, CTC over characters on Whisper base's encoder; other languages teach it phones."


@app.command()
def export(
    start: Annotated[Path | None, typer.Option(help="Weights to export. Default: WORK/mean.pt.")] = None,
    work: Work = WORK,
    out: Annotated[Path, typer.Option(help="Model folder to write; its name is the model's name.")] = MODEL,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "CC-BY-SA-4.0",
    description: Annotated[str, typer.Option(help="A sentence for model.json.")] = DESCRIPTION,
    command: Annotated[str, typer.Option(help="Command that made the model, for model.json.")] = "make model",
) -> None:
    """Write weights as a model folder, atomically replacing one of that name.

    Keeps notes and the language model of the replaced folder; run `modelkit tune` again for it.
    """
    entries = {"licence": licence, "description": description}
    steps.export(start or work / "mean.pt", work / "export" / out.name, out, entries, command)
    console.print(f"Exported: {out}")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder.")] = MODEL,
    speech_dir: SpeechDir = SPEECH,
    sample: Annotated[
        Path | None, typer.Option(help="Clip to record, with its text, for `modelkit verify`.")
    ] = None,
) -> None:
    """Measure a model on the recipe's evaluation sets with each of its decoders, and record the figures."""
    require_corpora(speech_dir)
    for decoder in decoders_of(model):
        engine = Engine.load(model, decoder=decoder)
        for chosen in EVALUATION_SETS:
            entries = read_manifest(speech_dir / chosen.manifest, chosen.speakers)
            with bar() as progress:
                task = progress.add_task(f"{chosen.name}, {decoder}", total=len(entries))
                results = score_model(engine, entries, lambda p=progress, t=task: p.advance(t))  # type: ignore[misc]
            measured = summary(chosen.name, results, decoder)
            record_evaluation(model, measured)
            console.print(f"{chosen.name}, {decoder}: WER {measured['wer']:.4f} CER {measured['cer']:.4f}")
    if sample is not None:
        record_check(model, sample)


@app.command("language-model")
def language_model(
    speech_dir: SpeechDir = SPEECH,
    out: Annotated[Path, typer.Option(help="Folder to write words.arpa.gz to.")] = Path(".work/lm"),
    length: Annotated[int, typer.Option(min=2, max=5, help="Words of the longest n-gram.")] = 4,
    threshold: Annotated[
        float, typer.Option(help="Drop n-grams that change the perplexity by a smaller fraction.")
    ] = 8e-9,
) -> None:
    """Estimate the word n-gram model of beam search from the recipe's texts. Takes some minutes."""
    require_corpora(speech_dir)
    for key, value in build(speech_dir, out, length, threshold, console.print).items():
        console.print(f"{key}: {value}", highlight=False, markup=False)
