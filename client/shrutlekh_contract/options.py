"""The options of a recording, each declared once.

To add an option, add a field here. The form and its validation, the OpenAPI document, the comparison of
requests with the same idempotency key, the column that stores options, the command line and the engine's
options all derive from these declarations.
"""

import unicodedata
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Any, Final, Self, cast

from shrutlekh_contract.declarations import (
    ANY,
    Contradiction,
    Form,
    Option,
    OptionError,
    Switch,
    option,
)
from shrutlekh_contract.decoders import BEAM, DECODERS, GREEDY
from shrutlekh_contract.formats import FORMATS
from shrutlekh_contract.hotwords import DEFAULT_WEIGHT, LONGEST, MAX_WEIGHT, MOST, hotwords_of
from shrutlekh_contract.option_kinds import Choice, Flag, Number, Text, Words
from shrutlekh_contract.readable import is_readable
from shrutlekh_contract.statuses import Priority
from shrutlekh_contract.webhook_urls import LONGEST_URL, check_webhook_url

LONGEST_CLIENT: Final = 64
# The formats of OpenAPI's texts whose rules a pattern cannot say. The descriptions do.
MODEL_FORM: Final = "installed-model"
HOTWORDS_FORM: Final = "hotwords"
CLIENT_FORM: Final = "printable"
WEBHOOK_FORM: Final = "webhook-url"


class Channels(StrEnum):
    """How to transcribe a recording with several channels."""

    MIX = "mix"  # one transcript of the mean of the channels
    EACH = "each"  # one transcript per channel, for example for calls with one channel per side


class Numerals(StrEnum):
    """How to write numbers. Applied when a transcript is read: the database holds the spoken words."""

    SPOKEN = "spoken"  # in words
    LATIN = "latin"  # 0123456789
    DEVANAGARI = "devanagari"  # ०१२३४५६७८९


CONTRADICTIONS: Final = (
    Contradiction(
        {"transcript": False, "waveform": False},
        "transcript",
        "Ask for a transcript, a waveform, or both.",
    ),
    Contradiction(
        {"hotwords": ANY, "decoder": GREEDY},
        "hotwords",
        "The greedy decoder ignores hot-words. Omit `decoder` or choose `beam`.",
    ),
)


@dataclass(frozen=True)
class RecognitionOptions:
    """The options that reach the engine.

    None, or an empty tuple of hot-words, means "not set": :meth:`settled` fills in the defaults.

    Attributes:
        decoder: "greedy" or "beam"; the model's card names the default.
        channels: "mix", or "each" for one transcript per channel.
        hotwords: words or phrases to prefer where the audio allows them; they require beam search.
        hotword_weight: bonus of a hot-word, added to its natural-log score.
    """

    decoder: str | None = option(
        Choice(DECODERS),
        "`beam` searches with the model's language model and makes fewer errors, `greedy` is faster. "
        "Default: the model's default decoder.",
        answer="The requested decoder. If null, the model's default, or beam search with hot-words.",
        forms=Form.JOB | Form.TRANSCRIBE | Form.OPENAI | Form.LIVE,
        switch=Switch(
            "'beam' searches with the language model and makes fewer errors, 'greedy' is faster.",
            default="the model's own choice",
        ),
        nullable=True,
    )
    channels: str | None = option(
        Choice(tuple(channels.value for channels in Channels)),
        "`mix` transcribes the mean of the channels. `each` transcribes every channel separately, for "
        "example in calls with one channel per side; segments then name their channel.",
        default=Channels.MIX.value,
        answer="Whether channels are mixed or transcribed separately.",
        forms=Form.JOB | Form.TRANSCRIBE | Form.OPENAI,
        switch=Switch(
            "'each' transcribes every channel separately, for example in calls with one channel per side; "
            "'mix' transcribes their mean."
        ),
    )
    hotwords: tuple[str, ...] = option(
        Words(hotwords_of, HOTWORDS_FORM),
        "Words and phrases to prefer where the audio allows them, such as names: in Devanagari, separated by "
        f"commas or line breaks, at most {MOST} of {LONGEST} characters each. They select beam search.",
        default=(),
        answer="Words and phrases to prefer.",
        example="देहरादून, मसूरी",
        forms=Form.JOB | Form.TRANSCRIBE | Form.OPENAI | Form.LIVE,
        switch=Switch(
            "A word or phrase in Devanagari to prefer where the audio allows it, such as a name. May be "
            "given several times. Requires beam search.",
            metavar="WORD",
        ),
    )
    hotword_weight: float | None = option(
        Number(0, MAX_WEIGHT),
        "How strongly to prefer hot-words: the bonus added to their natural-log score.",
        default=DEFAULT_WEIGHT,
        answer="Bonus of each hot-word, added to its natural-log score; null without hot-words.",
        forms=Form.JOB | Form.TRANSCRIBE | Form.OPENAI | Form.LIVE,
        switch=Switch(f"How strongly to prefer hot-words, from 0 to {MAX_WEIGHT}."),
        only_with="hotwords",
        nullable=True,
    )

    @property
    def needs_beam(self) -> bool:
        """Whether these options require beam search."""
        return self.decoder == BEAM or bool(self.hotwords)

    def check(self) -> None:
        """Check that the options are consistent.

        Raises:
            OptionError: two of them contradict each other.
        """
        for contradiction in CONTRADICTIONS:
            if contradiction.holds(self.chosen()):
                raise OptionError(contradiction.option, contradiction.message)
        if self.hotword_weight is not None and not self.hotwords:
            raise OptionError("hotword_weight", "It needs `hotwords`. Add some, or omit the weight.")

    def chosen(self) -> dict[str, Any]:
        """Return the values of the options that are set, by name."""
        values = {name: getattr(self, name) for name in declared(type(self))}
        return {name: value for name, value in values.items() if value not in (None, ())}

    def settled(self) -> Self:
        """Return a copy with the service's defaults filled in."""
        chosen = self.chosen()
        defaults = {
            name: one.default
            for name, one in declared(type(self)).items()
            if name not in chosen and (one.only_with is None or one.only_with in chosen)
        }
        return type(self)(**defaults, **chosen)

    def form(self, to: Form = Form.JOB) -> dict[str, str]:
        """Return the form fields for the options that are set, except those that the form may not set."""
        options = declared(type(self))
        chosen = {name: value for name, value in self.chosen().items() if to in options[name].forms}
        return {name: options[name].kind.text(value) for name, value in chosen.items()}

    @classmethod
    def of_form(cls, sent: Mapping[str, str]) -> Self:
        """Parse the fields of a form. Empty fields, as browsers send them, count as not set.

        Raises:
            OptionError: a field is invalid, or the options contradict each other.
        """
        values = {}
        for name, one in declared(cls).items():
            if text := sent.get(name):
                try:
                    values[name] = one.kind.parse(text)
                except ValueError as error:
                    raise OptionError(name, f"{error}.") from error
        options = cls(**values)
        options.check()
        return options

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Parse a JSON document. Entries that are not options are ignored."""
        kinds = {name: one.kind for name, one in declared(cls).items() if document.get(name) is not None}
        return cls(**{name: kind.load(document[name]) for name, kind in kinds.items()})

    def json(self) -> dict[str, Any]:
        """Return plain values by name, null for options that are not set: the inverse of :meth:`of_json`."""
        return {name: one.kind.dump(getattr(self, name)) for name, one in declared(type(self)).items()}


NO_OPTIONS: Final = RecognitionOptions()


def _client_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text)
    if len(name) > LONGEST_CLIENT or not all(map(is_readable, name)):
        raise ValueError(f"at most {LONGEST_CLIENT} printable characters")
    return name


@dataclass(frozen=True)
class SubmissionOptions(RecognitionOptions):
    """All options of a submission.

    Attributes:
        model: name of an installed model; default: the service's default model.
        transcript: whether to transcribe.
        waveform: whether to draw the picture and compute the peaks.
        spectrogram: whether to draw the spectrogram, beside a transcript or a waveform.
        priority: "high", "normal" or "low".
        client: who submits; clients take turns. Default: the address of the connection.
        strict: whether a recording that is imperfect fails, instead of succeeding with warnings.
        webhook_url: where to send a webhook when the job has ended.
        numerals: "spoken", "latin" or "devanagari". It formats the answer and is not stored with the job.
        format: of the transcript in the answer; not stored with the job.
    """

    model: str | None = option(
        Text(form=MODEL_FORM),
        "An installed model. Default: the service's default model.",
        forms=Form.JOB | Form.TRANSCRIBE | Form.VISUALIZE | Form.OPENAI,
        switch=Switch("Model to use instead of the service's default."),
    )
    transcript: bool | None = option(Flag(), "Whether to transcribe the recording.", default=True)
    waveform: bool | None = option(
        Flag(),
        "Whether to draw the waveform and compute its peaks.",
        default=True,
        switch=Switch("Fetch a picture of each recording, NAME.png.", is_sent=True),
    )
    spectrogram: bool | None = option(
        Flag(),
        "Whether to draw the log-mel spectrogram too.",
        default=False,
    )
    priority: str | None = option(
        Choice(tuple(priority.word for priority in Priority)),
        "Jobs of a higher priority always go first.",
        default=Priority.NORMAL.word,
        forms=Form.JOB | Form.OPENAI,
        switch=Switch("Recordings of a higher priority go first, even those of other clients.", is_sent=True),
    )
    client: str | None = option(
        Text(_client_name, LONGEST_CLIENT, CLIENT_FORM),
        "Who submits, in printable characters. Default: the address of the connection. Clients take turns, "
        "so that one with 10,000 recordings does not hold up one with a single recording.",
        answer="Who submitted the job: the form's `client`, or else the address of the connection.",
        identifies=False,
        forms=Form.JOB | Form.OPENAI,
        switch=Switch(
            "Who submits. Clients take turns. Without a name each run is a client, so that a single "
            "recording need not wait for a folder submitted before.",
            metavar="NAME",
        ),
    )
    strict: bool | None = option(
        Flag(),
        "Whether a recording that is damaged, truncated or otherwise imperfect fails with `audio_imperfect`, "
        "instead of succeeding with `warnings`.",
        default=False,
        answer="Whether an imperfect recording fails instead of succeeding with warnings.",
        forms=Form.JOB | Form.TRANSCRIBE | Form.VISUALIZE | Form.OPENAI,
        switch=Switch(
            "Fail recordings that are damaged, truncated or otherwise imperfect, instead of transcribing "
            "what can be heard."
        ),
    )
    webhook_url: str | None = option(
        Text(check_webhook_url, LONGEST_URL, WEBHOOK_FORM),
        "An https or http URL, without user and password, that is sent a signed webhook when the job has "
        "ended. Its host must be public, or allowed by the operator.",
        answer="Where a webhook is sent when the job has ended; null for nowhere.",
        example="https://example.org/hooks/3f9c",
        switch=Switch("Send a signed webhook to this URL when a recording's job has ended.", metavar="URL"),
        nullable=True,
    )
    numerals: str | None = option(
        Choice(tuple(numerals.value for numerals in Numerals)),
        "How to write numbers: as spoken words, or in digits.",
        default=Numerals.SPOKEN.value,
        forms=Form.TRANSCRIBE | Form.OPENAI | Form.LIVE,
        switch=Switch("Write numbers as spoken words, or in digits: 25 or २५."),
        of_answer=True,
    )
    format: str | None = option(
        Choice(FORMATS),
        "Segments, words and times (`json`), paragraphs (`txt`), subtitles (`srt`, `vtt`) or a table "
        "(`tsv`). Default: the format that the Accept header prefers, else `json`.",
        forms=Form.TRANSCRIBE,
        of_answer=True,
    )

    def recognition(self) -> RecognitionOptions:
        """Return the options that reach the engine."""
        return RecognitionOptions(**{name: getattr(self, name) for name in declared(RecognitionOptions)})


def declared(options: type[RecognitionOptions]) -> Mapping[str, Option]:
    """Return the options that a class declares, by name, those of its base classes first."""
    return _declared(cast("Hashable", options))


@cache
def _declared(options: Any) -> dict[str, Option]:
    return {one.name: one.metadata["option"] for one in fields(options)}


def options_in(form: Form) -> dict[str, Option]:
    """Return the options that a form may set, by name."""
    return {name: option for name, option in declared(SubmissionOptions).items() if form in option.forms}
