"""A corrected text on its way in: read with a limit, checked, and made ready to store."""

import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError
from shrutlekh_contract.readable import is_readable
from starlette.requests import Request

from api.http.correction_schemas import CorrectionIn
from shared.errors import InvalidRequest, UploadTooLarge

# A recording of six hours has about 60,000 words, of some 110 bytes each.
LONGEST_BODY: Final = 16 * 2**20
# Times come rounded, and the end of the last word may lie a frame behind the end of the recording.
TOLERANCE: Final = 0.1
# Hindi needs joiners between its letters, but they are no word. Fillers are letters that nobody sees.
_JOINERS: Final = frozenset("\u200c\u200d")
_BLANK: Final = frozenset("\u00ad\u034f\u115f\u1160\u200b\u2060\u2800\u3164\uffa0")


async def read_correction(request: Request) -> CorrectionIn:
    """Read and check the body of a request.

    Raises:
        UploadTooLarge: it is longer than :data:`LONGEST_BODY`.
        InvalidRequest: it is not such a document. The message names the first mistake and its place.
    """
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > LONGEST_BODY:
            raise UploadTooLarge(f"The text is larger than the limit of {LONGEST_BODY:,} bytes.")
    services = request.app.state.services
    correction: CorrectionIn = await services.threads.file(lambda: _parse(bytes(body)))
    return correction


def to_store(correction: CorrectionIn, audio_seconds: float) -> list[dict[str, Any]]:
    """Return the segments of a correction by start, then channel, with words in NFC.

    Args:
        audio_seconds: length of the recording.

    Raises:
        InvalidRequest: a time or a word is not possible. The message names the place.
    """
    for place, message in _mistakes(correction, audio_seconds):
        raise InvalidRequest(f"{place}: {message}")
    segments = [segment.model_dump() for segment in correction.segments]
    for segment in segments:
        for word in segment["words"]:
            word["text"] = unicodedata.normalize("NFC", word["text"])
    return sorted(segments, key=lambda segment: (segment["start"], segment["channel"] or 0))


def _mistakes(correction: CorrectionIn, audio_seconds: float) -> Iterator[tuple[str, str]]:
    for index, segment in enumerate(correction.segments):
        place = f"segments.{index}"
        if not segment.start <= segment.end <= audio_seconds + TOLERANCE:
            yield place, f"It must end after its start, and within the {audio_seconds:g} s of the recording."
        before = segment.start - TOLERANCE
        for number, word in enumerate(segment.words):
            at = f"{place}.words.{number}"
            if not _is_a_word(word.text):
                yield at, "A word has no spaces, line breaks or invisible characters. Send two words."
            if not before <= word.start <= word.end <= segment.end + TOLERANCE:
                yield at, "Words must follow each other in time, within their segment."
            before = word.start


def _parse(body: bytes) -> CorrectionIn:
    try:
        return CorrectionIn.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidRequest(f"{place}: {first['msg']}." if place else f"{first['msg']}.") from error


def _is_a_word(text: str) -> bool:
    return all(map(_is_of_a_word, text)) and any(character not in _JOINERS for character in text)


def _is_of_a_word(character: str) -> bool:
    return is_readable(character) and not character.isspace() and character not in _BLANK
