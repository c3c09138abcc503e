"""What schemathesis cannot know of this API: texts of its own formats. It loads this file as its hooks."""

import base64
import io
import wave
import zipfile

import schemathesis
from hypothesis import strategies
from shrutlekh_contract.options import CLIENT_FORM, HOTWORDS_FORM, MODEL_FORM, WEBHOOK_FORM

from tests.conftest import MODEL

RATE = 8000
CURSOR = "2026-01-15T09:30:00.125000+00:00 019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"


def recording(samples: bytes) -> str:
    """A WAV file of less than 84 8-bit samples, as text: its bytes are all ASCII.

    schemathesis cannot generate bytes for a schema with conditions, such as `not`.
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(RATE)
        sound.writeframes(samples)
    return file.getvalue().decode("ascii")


def archives() -> list[str]:
    """Zips of one such recording each, as text: those whose checksums happen to be ASCII, too."""
    found = []
    for number in range(128):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            member = zipfile.ZipInfo("a.wav")
            member.create_system = 0
            packed.writestr(member, recording(bytes([number, 64])))
            member.external_attr = 0
        if file.getvalue().isascii():
            found.append(file.getvalue().decode("ascii"))
    return found


# Duplicates count once, so that a form with many fields of hot-words has few.
WORDS = strategies.lists(strategies.sampled_from(["देहरादून", "मसूरी", "नई दिल्ली"]), min_size=1, max_size=3)
TEXTS = {
    MODEL_FORM: strategies.just(MODEL),
    HOTWORDS_FORM: WORDS.map("\n".join),
    CLIENT_FORM: strategies.text("abc यह-", max_size=16),
    WEBHOOK_FORM: strategies.just("https://example.org/hooks/3f9c"),
    "model-language": strategies.sampled_from(["hi", "hi-IN", "hindi"]),
    "cursor": strategies.just(base64.urlsafe_b64encode(CURSOR.encode()).decode().rstrip("=")),
    "zip": strategies.sampled_from(archives()),
    # Every binary field of a form is a recording.
    "binary": strategies.lists(strategies.integers(0, 127), max_size=64).map(bytes).map(recording),
}
for name, strategy in TEXTS.items():
    schemathesis.openapi.format(name, strategy)


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out paths made of a null in another answer, such as the batch of a job that has none."""
    return not any(value in (None, "None") for value in (case.path_parameters or {}).values())


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: object) -> bool:
    """Leave out bodies with empty fields, which count as not set, because browsers send them."""
    return not (
        isinstance(body, dict) and any(isinstance(one, str) and not one.strip() for one in body.values())
    )
