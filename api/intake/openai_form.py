"""The form of OpenAI's transcription API: its fields, and what they mean here. docs/api.md lists them all."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from shrutlekh_contract.declarations import Option
from shrutlekh_contract.option_kinds import Choice, Flag, Many, Number, Text
from shrutlekh_contract.options import HOTWORDS_FORM

from api.http.form_rules import field, needs
from api.http.invalid_fields import invalid_field
from api.intake.uploads import LIST_SUFFIX
from api.services import Services
from shared.errors import ModelNotInstalled
from shared.installed_models import find_model, read_card

# OpenAI's models, all of which are the default model here.
ALIASES: Final = frozenset(
    {
        "whisper-1",
        "gpt-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
    }
)
# OpenAI names languages in English where ISO 639-1 codes are not used. Other languages keep their code.
LANGUAGE_NAMES: Final = {"hi": "hindi"}


class ResponseFormat(StrEnum):
    """How to answer."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"


STREAMED: Final = frozenset({ResponseFormat.JSON, ResponseFormat.TEXT})


class Granularity(StrEnum):
    """What `verbose_json` gives the times of."""

    WORD = "word"
    SEGMENT = "segment"


LANGUAGE: Final = "language"
LANGUAGES: Final = f"languages{LIST_SUFFIX}"
GRANULARITIES: Final = f"timestamp_granularities{LIST_SUFFIX}"
STREAM: Final = "stream"
RESPONSE_FORMAT: Final = "response_format"
MODEL: Final = "model"
HOTWORDS: Final = "hotwords"
# Other names of hot-words: OpenAI's, and that of a Python list in `extra_body`.
HOTWORD_LISTS: Final = (f"keywords{LIST_SUFFIX}", f"{HOTWORDS}{LIST_SUFFIX}")

LANGUAGE_TEXT: Final = Text(longest=64, form="model-language")
HOTWORD_TEXTS: Final = Many(Text(form=HOTWORDS_FORM))

FIELDS: Final[Mapping[str, Option]] = {
    RESPONSE_FORMAT: Option(
        Choice(tuple(one.value for one in ResponseFormat)),
        "`json` has the text, `verbose_json` also segments or words with times, `text`, `srt` and `vtt` are "
        "files.",
        default=ResponseFormat.JSON.value,
    ),
    GRANULARITIES: Option(
        Many(Choice(tuple(one.value for one in Granularity))),
        "What `verbose_json` has the times of: `segment` (default), `word`, or both.",
    ),
    STREAM: Option(
        Flag(),
        "Whether to answer with server-sent events: each segment as soon as it is transcribed.",
        default=False,
    ),
    LANGUAGE: Option(
        LANGUAGE_TEXT, "The language of the recording, which must be that of the model.", example="hi"
    ),
    LANGUAGES: Option(
        Many(LANGUAGE_TEXT), "Languages that the recording may be in. One of them must be the model's."
    ),
    HOTWORD_LISTS[0]: Option(HOTWORD_TEXTS, "Words and phrases to prefer, as `hotwords`, one a field."),
    HOTWORD_LISTS[1]: Option(HOTWORD_TEXTS, "The same."),
    "prompt": Option(Text(), "Accepted and ignored. Use `hotwords` to prefer words."),
    "temperature": Option(Number(0, 1), "Accepted and ignored: decoding is deterministic."),
    "chunking_strategy": Option(
        Choice(("auto",)), "Accepted and ignored: recordings are always cut at pauses."
    ),
}
_TRUE: Final = {"enum": Flag().spellings(True)}
_FILES: Final = {"enum": [one.value for one in ResponseFormat if one not in STREAMED]}
OTHER_NAMES: Final = {HOTWORDS: HOTWORD_LISTS}
RULES: Final = (
    needs(GRANULARITIES, field(RESPONSE_FORMAT, {"const": ResponseFormat.VERBOSE_JSON.value})),
    {"not": {"allOf": [field(STREAM, _TRUE), field(RESPONSE_FORMAT, _FILES)]}},
)
_NO_SPEAKERS: Final = "The service does not tell speakers apart. For a recording with a channel per speaker, "
REFUSED: Final[Mapping[str, str]] = {
    f"include{LIST_SUFFIX}": "The service has no log-probabilities of tokens. Omit it; segments of "
    "`verbose_json` have `avg_logprob`.",
    **{
        f"chunking_strategy[{name}]": "The service's voice detector cannot be tuned. Omit it, or send `auto`."
        for name in ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")
    },
    **{
        f"known_speaker_{name}{LIST_SUFFIX}": f"{_NO_SPEAKERS}send channels=each."
        for name in ("names", "references")
    },
}


class OpenAIForm:
    """A form in OpenAI's dialect. The attributes are set when it is translated.

    Attributes:
        names: all fields that are not options of ours.
        response_format: how to answer.
        granularities: what `verbose_json` gives the times of.
        is_stream: whether to answer with server-sent events.
    """

    names: frozenset[str] = frozenset(FIELDS) | frozenset(REFUSED)

    def __init__(self, services: Services) -> None:
        self._services = services
        self.response_format = ResponseFormat.JSON
        self.granularities = frozenset({Granularity.SEGMENT})
        self.is_stream = False

    async def translate(self, fields: dict[str, str]) -> dict[str, str]:
        """Check OpenAI's fields, and return the rest for :class:`SubmissionOptions`.

        Raises:
            InvalidRequest: a field has an invalid or unsupported value.
            ModelNotInstalled: the requested model is neither installed nor an alias of the default model.
        """
        sent = {name: text for name, text in fields.items() if text}
        for name in sent:
            if name in REFUSED:
                raise invalid_field(name, REFUSED[name])
        values = {name: _value_of(name, text) for name, text in sent.items() if name in FIELDS}
        self.response_format = ResponseFormat(values.get(RESPONSE_FORMAT, ResponseFormat.JSON))
        self.is_stream = values.get(STREAM, False)
        self._read_granularities(values.get(GRANULARITIES, ()))
        ours = {name: text for name, text in sent.items() if name not in FIELDS}
        ours |= _hotwords_in(sent)
        return ours | await self._services.threads.file(lambda: self._model_for(sent))

    def _read_granularities(self, chosen: tuple[str, ...]) -> None:
        if chosen and self.response_format is not ResponseFormat.VERBOSE_JSON:
            raise invalid_field(GRANULARITIES, "It needs response_format=verbose_json. Add that, or omit it.")
        if self.is_stream and self.response_format not in STREAMED:
            raise invalid_field(
                STREAM, f"A stream has no {self.response_format}. Omit the stream or the response_format."
            )
        self.granularities = frozenset(map(Granularity, chosen)) or self.granularities

    def _model_for(self, sent: Mapping[str, str]) -> dict[str, str]:
        """Return the installed model to use. Blocks: it reads model cards."""
        settings = self._services.settings
        name = sent.get(MODEL, settings.default_model)
        try:
            folder = find_model(settings.models_dir, name)
        except ModelNotInstalled:
            if name not in ALIASES:
                raise
            folder = find_model(settings.models_dir, settings.default_model)
        for param in (LANGUAGE, LANGUAGES):
            if param in sent:
                _check_language(folder, param, sent[param].splitlines())
        return {MODEL: folder.name}


def language_name(code: str) -> str:
    """Return OpenAI's name of a language, or the code if it has none here."""
    return LANGUAGE_NAMES.get(_primary(code), code)


def _value_of(name: str, text: str) -> Any:
    try:
        return FIELDS[name].kind.parse(text)
    except ValueError as error:
        raise invalid_field(name, f"{error}.") from error


def _hotwords_in(sent: Mapping[str, str]) -> dict[str, str]:
    lists = [sent[name] for name in (HOTWORDS, *HOTWORD_LISTS) if name in sent]
    return {HOTWORDS: "\n".join(lists)} if lists else {}


def _check_language(folder: Path, param: str, sent: list[str]) -> None:
    """Raise InvalidRequest if the model's card says that it speaks none of these languages."""
    card = read_card(folder)
    if card is None:
        return
    name = language_name(card.language)
    if not {_primary(text) for text in sent} & {_primary(card.language), name}:
        raise invalid_field(
            param,
            f"The model {folder.name} speaks {name.capitalize()}. Omit the language, or send "
            f"'{card.language}'.",
        )


def _primary(language: str) -> str:
    """Return the primary subtag of a BCP 47 tag, in lower case."""
    return language.strip().replace("_", "-").partition("-")[0].lower()
