"""Options are declared once: what follows from the declarations, and that one more appears everywhere."""

import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError
from shrutlekh_contract.declarations import Form, OptionError
from shrutlekh_contract.option_kinds import Choice, Flag, Kind, Number
from shrutlekh_contract.options import RecognitionOptions, SubmissionOptions, declared, options_in

from tests.conftest import ROOT

ALL = SubmissionOptions(
    "beam",
    "each",
    ("मसूरी", "नई दिल्ली"),
    2.5,
    "m",
    True,
    False,
    "low",
    "समाचार",
    True,
    "https://example.org/",
    "latin",
    "srt",
)


FLAGS_AND_WORDS = ["true", "NO", "1", "0", "on", "F", "ja", "beam", "Beam", "high"]
NUMBERS = ["2", "2.5", "\t3", "1e1", "-1", "20.5", "nan", "-inf", "0x1", "-0.0"]


def test_one_more_option_appears_everywhere() -> None:
    """In a fresh process, because what derives from the declarations does so when it is imported."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "tests.options.declares_pace", "tests/options/with_pace.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
    assert "skipped" not in done.stdout


def test_every_option_survives_form_and_json() -> None:
    assert set(ALL.chosen()) == set(declared(SubmissionOptions))
    sent = ALL.form(Form.JOB) | ALL.form(Form.TRANSCRIBE)
    assert SubmissionOptions.of_form(sent) == SubmissionOptions.of_json(ALL.json()) == ALL
    assert sent["hotwords"] == "मसूरी\nनई दिल्ली"
    assert SubmissionOptions().form() == SubmissionOptions.of_form({"decoder": ""}).chosen() == {}


def test_what_is_not_chosen_has_its_default() -> None:
    assert SubmissionOptions().settled().chosen() == {
        "channels": "mix",
        "transcript": True,
        "waveform": True,
        "spectrogram": False,
        "priority": "normal",
        "strict": False,
        "numerals": "spoken",
    }
    assert RecognitionOptions(hotwords=("मसूरी",)).settled().hotword_weight == 6.0
    assert ALL.settled() == ALL


def test_options_of_the_answer_are_none_of_a_job() -> None:
    of_answer = {name for name, option in declared(SubmissionOptions).items() if option.of_answer}
    assert of_answer == {"format", "numerals"}
    assert "numerals" not in options_in(Form.JOB)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (SubmissionOptions(hotwords=("मसूरी",), decoder="greedy"), "hotwords"),
        (SubmissionOptions(hotword_weight=0.0), "hotword_weight"),
        (SubmissionOptions(transcript=False, spectrogram=True, waveform=False), "transcript"),
    ],
)
def test_options_that_contradict_each_other(options: SubmissionOptions, named: str) -> None:
    with pytest.raises(OptionError) as refused:
        options.check()
    assert refused.value.option == named


@pytest.mark.parametrize(
    ("kind", "like"),
    [
        (Flag(), bool),
        (Choice(("greedy", "beam")), Literal["greedy", "beam"]),
        (Choice(("high", "normal", "low")), Literal["high", "normal", "low"]),
        (Number(0, 20), Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]),
    ],
)
@pytest.mark.parametrize("text", [*FLAGS_AND_WORDS, *NUMBERS])
def test_values_are_read_and_refused_as_pydantic_does(kind: Kind, like: Any, text: str) -> None:
    def outcome(read: Callable[[str], Any]) -> Any:
        try:
            return read(text)
        except ValidationError as error:
            return error.errors()[0]["msg"]
        except ValueError as error:
            return str(error)

    assert outcome(kind.parse) == outcome(TypeAdapter(like).validate_python)
