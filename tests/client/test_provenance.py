"""A later run keeps a text only if all that it asks for, or leaves out, is what made the text."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shrutlekh.bulk.provenance import TEXT_OPTIONS, Provenance, ServiceModels
from shrutlekh.bulk.summary import Summary
from shrutlekh_contract.options import RecognitionOptions, SubmissionOptions, declared

from tests.client.fake_service import FakeService
from tests.client.test_submission import recordings_in, submit

MODELS = ServiceModels("base", {"base": "beam", "large": "greedy"})


def test_the_options_that_determine_a_text_are_declared() -> None:
    assert set(TEXT_OPTIONS) >= {"model", *declared(RecognitionOptions)}
    assert not set(TEXT_OPTIONS) & {"client", "numerals", "priority", "transcript", "waveform"}


def made(model: str = "base", decoder: str | None = "beam", **requested: Any) -> Provenance:
    """What made a text: the model and the decoder that were used, and the options that were requested."""
    options = SubmissionOptions(**requested)
    return Provenance(options, replace(options.settled(), model=model, decoder=decoder))


@pytest.mark.parametrize(
    ("provenance", "wanted", "is_kept"),
    [
        pytest.param(made(), {}, True, id="nothing asked for"),
        pytest.param(made(decoder="greedy"), {}, True, id="another default decoder by now"),
        pytest.param(made(model="old"), {}, True, id="another default model by now"),
        pytest.param(made(decoder="greedy"), {"decoder": "greedy"}, True, id="the decoder used then"),
        pytest.param(made(), {"decoder": "beam"}, True, id="the default, named"),
        pytest.param(made(decoder="beam", hotwords=("घर",)), {}, False, id="hot-words then"),
        pytest.param(made(), {"hotwords": ("घर",)}, False, id="hot-words now"),
        pytest.param(made(), {"decoder": "greedy"}, False, id="greedy now"),
        pytest.param(made(decoder=None), {"decoder": "beam"}, False, id="decoder unknown"),
        pytest.param(made(), {"channels": "mix"}, True, id="default named now"),
        pytest.param(made(channels="each"), {}, False, id="channels left out now"),
        pytest.param(
            made(hotwords=("घर",), hotword_weight=6.0), {"hotwords": ("घर",)}, True, id="default weight named"
        ),
        pytest.param(
            made(hotwords=("घर",), hotword_weight=2.0), {"hotwords": ("घर",)}, False, id="weight left out now"
        ),
        pytest.param(made(model="large"), {"model": "large"}, True, id="the model used then"),
        pytest.param(made(model="large"), {"model": "base"}, False, id="another model now"),
        pytest.param(made(), {"priority": "low", "waveform": False, "client": "x"}, True, id="no text"),
    ],
)
def test_what_is_kept(provenance: Provenance, wanted: dict[str, Any], is_kept: bool) -> None:
    assert provenance.satisfies(SubmissionOptions(**wanted), MODELS) is is_kept
    read_again = Provenance.of_document(json.loads(json.dumps(provenance.json())))
    assert read_again.json() == provenance.json()


NAMED_MODEL = [("base", "base", True), ("large", "large", False)]
NAMED_DECODER = [("greedy", "base", False), ("beam", "base", True), ("beam", "gone", False)]


@pytest.mark.parametrize(("named", "model", "is_kept"), NAMED_MODEL)
def test_a_model_that_was_named_and_is_now_left_out(named: str, model: str, is_kept: bool) -> None:
    provenance = replace(made(model), requested=SubmissionOptions(model=named))
    assert provenance.satisfies(SubmissionOptions(), MODELS) is is_kept


@pytest.mark.parametrize(("named", "model", "is_kept"), NAMED_DECODER)
def test_a_decoder_that_was_named_and_is_now_left_out(named: str, model: str, is_kept: bool) -> None:
    provenance = replace(made(model, named), requested=SubmissionOptions(decoder=named))
    assert provenance.satisfies(SubmissionOptions(), MODELS) is is_kept


@pytest.mark.parametrize(
    ("document", "wanted", "is_kept"),
    [
        pytest.param({"model": "base"}, {}, True, id="no options"),
        pytest.param({"model": "base"}, {"channels": "each"}, False, id="no options, channels wanted"),
        pytest.param({"model": "base", "options": {"channels": "mix"}}, {}, True, id="channels only"),
        pytest.param({"model": "base", "options": {"decoder": "greedy"}}, {}, False, id="greedy"),
        pytest.param(
            {"model": "base", "options": {"decoder": "greedy"}},
            {"decoder": "greedy"},
            True,
            id="greedy again",
        ),
        pytest.param({"model": "base", "options": {"decoder": "beam"}}, {}, True, id="beam was named"),
        pytest.param({"model": "old", "options": {}}, {}, True, id="another model, perhaps the default"),
        pytest.param({"model": "old", "options": {}}, {"model": "base"}, False, id="another model named"),
        pytest.param(
            {
                "model": "base",
                "options": {
                    "decoder": None,
                    "channels": "mix",
                    "hotwords": ["घर"],
                    "hotword_weight": 6.0,
                },
            },
            {"hotwords": ("घर",)},
            True,
            id="all options but the model",
        ),
    ],
)
def test_documents_of_earlier_versions(
    document: dict[str, Any], wanted: dict[str, Any], is_kept: bool
) -> None:
    provenance = Provenance.of_document(document)
    assert provenance.satisfies(SubmissionOptions(**wanted), MODELS) is is_kept


def test_a_greedy_text_does_not_stay_when_the_default_is_wanted(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    service.default_decoder = "beam"
    submit(service, folder, decoder="greedy")
    assert submit(service, folder, decoder="greedy")["000.wav"].status == "skipped"
    assert submit(service, folder)["000.wav"].status == "succeeded"
    document = json.loads((folder / "000.json").read_bytes())
    nothing = {"model": None, "decoder": None, "channels": None, "hotwords": []}
    nothing |= {"hotword_weight": None, "strict": None}
    assert document["requested"] == nothing
    used = {"model": "hi-ctc-base", "decoder": "beam", "channels": "mix", "strict": False}
    assert document["options"] == {**nothing, **used}
    assert submit(service, folder, decoder="beam")["000.wav"].status == "skipped"
    assert len(service.jobs) == 2


def test_a_new_default_model_transcribes_only_new_recordings(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    submit(service, folder)
    service.installed = ("hi-new", "hi-ctc-base")
    (folder / "new.wav").write_bytes(b"new")
    outcomes = submit(service, folder)
    assert [outcomes[name].status for name in sorted(outcomes)] == ["skipped", "skipped", "succeeded"]
    summary = Summary(3)
    for outcome in outcomes.values():
        summary.add(outcome)
    assert summary.line() == (
        "1 transcribed, 2 skipped. 2 kept from hi-ctc-base, which is no longer the default model; "
        "--model NAME transcribes with another."
    )
    named = submit(service, folder, model="hi-new")
    assert [named[name].status for name in sorted(named)] == ["succeeded", "succeeded", "skipped"]
    assert {outcome.kept_model for outcome in named.values()} == {None}
    assert submit(service, folder)["000.wav"].status == "skipped", "the default, named"
    assert submit(service, folder, model="hi-ctc-base")["000.wav"].status == "fetched"
    assert submit(service, folder)["000.wav"].status == "fetched", "the other model was named"


def test_a_queued_job_of_an_earlier_default_model_is_taken_up(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder, wait=False)
    service.installed = ("hi-new", "hi-ctc-base")
    outcome = submit(service, folder)["000.wav"]
    assert (outcome.status, outcome.kept_model, len(service.jobs)) == ("fetched", "hi-ctc-base", 1)
