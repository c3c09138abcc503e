"""The options of a recording, each declared once.

A new option is one more field here. The form and its validation, the OpenAPI document, the comparison of
requests with one idempotency key, the column that stores options, the command line and the engine's options
all derive from the declarations.
"""

import unicodedata
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Any, Final, Self, cast

from shrutlekh_contract.declarations import Form, Option, OptionError, Switch, option
from shrutlekh_contract.decoders import BEAM, DECODERS, GREEDY
from shrutlekh_contract.hotwords import DEFAULT_WEIGHT, LONGEST, MAX_WEIGHT, MOST, hotwords_of
from shrutlekh_contract.option_kinds import Choice, Flag, Number, Text, Words
from shrutlekh_contract.readable import is_readable
from shrutlekh_contract.statuses import Priority

LONGEST_CLIENT: Final = 64


class Channels(StrEnum):
    """What becomes of the channels of a recording."""

    MIX = "mix"  # one transcript of their mean
    EACH = "each"  # a transcript of each, as for telephone calls with a channel for each side


class Numerals(StrEnum):
    """How numbers are written. It is chosen when a transcript is read: what is stored is what was said."""

    SPOKEN = "spoken"  # in words, as they were said
    LATIN = "latin"  # 0123456789
    DEVANAGARI = "devanagari"  # ०१२३४५६७८९


@dataclass(frozen=True)
class RecognitionOptions:
    """How a recording is recognised. These options reach the engine.

    None, and no hot-words, mean "not chosen": :meth:`settled` fills in the defaults.

    Attributes:
        decoder: "greedy" or "beam"; by default the model's own.
        channels: "mix", or "each" for a transcript of each channel.
        hotwords: words or phrases to prefer where they could have been said; they need beam search.
        hotword_weight: natural logarithm by which the score of a hot-word is raised.
    """

    decoder: str | None = option(
        Choice(DECODERS),
        "`beam` searches with the model's language model and errs less, `greedy` takes less time; the "
        "model's own choice if none is named.",
        answer="Asked for; null leaves the choice to the model, and with hot-words it is beam search.",
        forms=Form.JOB | Form.TRANSCRIBE,
        switch=Switch(
            "How words are found: 'beam' uses the language model and errs less, 'greedy' is faster.",
            default="the model's own choice",
        ),
        nullable=True,
    )
    channels: str | None = option(
        Choice(tuple(channels.value for channels in Channels)),
        "`mix` hears the mean of the channels, `each` every one by itself, as for telephone calls with a "
        "channel for each side: segments then say which.",
        default=Channels.MIX.value,
        answer="Whether channels were mixed or each has its own segments.",
        forms=Form.JOB | Form.TRANSCRIBE,
        switch=Switch(
            "'each' transcribes every channel by itself, as for calls with a channel for each side; 'mix' "
            "their mean."
        ),
    )
    hotwords: tuple[str, ...] = option(
        Words(hotwords_of),
        "Words and phrases that are preferred where they could have been said, such as names: in "
        f"Devanagari, separated by commas or line breaks; at most {MOST} of {LONGEST} characters. They need "
        "beam search, and ask for it.",
        default=(),
        answer="Words and phrases to be preferred.",
        example="देहरादून, मसूरी",
        forms=Form.JOB | Form.TRANSCRIBE,
        switch=Switch(
            "A word or phrase in Devanagari to prefer where it could have been said, such as a name. Give it "
            "again for each; it needs beam search.",
            metavar="WORD",
        ),
    )
    hotword_weight: float | None = option(
        Number(0, MAX_WEIGHT),
        "How much they are preferred: natural logarithm by which their score is raised.",
        default=DEFAULT_WEIGHT,
        answer="Natural logarithm by which the score of each is raised; null without hot-words.",
        forms=Form.JOB | Form.TRANSCRIBE,
        switch=Switch(f"How much hot-words are preferred, from 0 to {MAX_WEIGHT}."),
        only_with="hotwords",
        nullable=True,
    )

    @property
    def needs_beam(self) -> bool:
        """Whether only beam search can do what is asked."""
        return self.decoder == BEAM or bool(self.hotwords)

    def check(self) -> None:
        """Hold the options against each other.

        Raises:
            OptionError: two of them contradict each other.
        """
        if self.hotwords and self.decoder == GREEDY:
            raise OptionError(
                "hotwords", "The greedy decoder heeds none. Leave `decoder` out, or ask for beam."
            )
        if self.hotword_weight is not None and not self.hotwords:
            raise OptionError("hotword_weight", "There are no hotwords to weigh.")

    def chosen(self) -> dict[str, Any]:
        """The values that were chosen, by name."""
        values = {name: getattr(self, name) for name in declared(type(self))}
        return {name: value for name, value in values.items() if value not in (None, ())}

    def settled(self) -> Self:
        """The same with the service's defaults for what was not chosen."""
        chosen = self.chosen()
        defaults = {
            name: one.default
            for name, one in declared(type(self)).items()
            if name not in chosen and (one.only_with is None or one.only_with in chosen)
        }
        return type(self)(**defaults, **chosen)

    def form(self, to: Form = Form.JOB) -> dict[str, str]:
        """The fields of a form that asks for what was chosen, as far as the form may set it."""
        options = declared(type(self))
        chosen = {name: value for name, value in self.chosen().items() if to in options[name].forms}
        return {name: options[name].kind.text(value) for name, value in chosen.items()}

    @classmethod
    def of_form(cls, sent: Mapping[str, str]) -> Self:
        """The options that a form asks for. Empty fields, as browsers send them, choose nothing.

        Raises:
            OptionError: a field has no such value, or the options contradict each other.
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
        """The options that a JSON document names. Entries that are not options are ignored."""
        kinds = {name: one.kind for name, one in declared(cls).items() if document.get(name) is not None}
        return cls(**{name: kind.load(document[name]) for name, kind in kinds.items()})

    def json(self) -> dict[str, Any]:
        """Plain values by name, null for what was not chosen: the opposite of :meth:`of_json`."""
        return {name: one.kind.dump(getattr(self, name)) for name, one in declared(type(self)).items()}


NO_OPTIONS: Final = RecognitionOptions()


def _client_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text)
    if len(name) > LONGEST_CLIENT or not all(map(is_readable, name)):
        raise ValueError(f"at most {LONGEST_CLIENT} printable characters")
    return name


@dataclass(frozen=True)
class SubmissionOptions(RecognitionOptions):
    """All that a caller may choose for a recording.

    Attributes:
        model: installed model; by default the service's.
        transcript: whether to make the words.
        waveform: whether to make the picture and the peaks.
        priority: "high", "normal" or "low".
        client: who submits; clients take turns. By default the address of the connection.
        numerals: "spoken", "latin" or "devanagari". It is an option of the answer, not of the job.
    """

    model: str | None = option(
        Text(),
        "Installed model; the service's default if none is named.",
        forms=Form.JOB | Form.TRANSCRIBE | Form.VISUALIZE,
        switch=Switch("Model to use instead of the service's default."),
    )
    transcript: bool | None = option(Flag(), "Make the words.", default=True)
    waveform: bool | None = option(
        Flag(),
        "Make the picture and the peaks.",
        default=True,
        switch=Switch("Fetch a picture of each recording, NAME.png.", is_sent=True),
    )
    priority: str | None = option(
        Choice(tuple(priority.word for priority in Priority)),
        "Jobs of a higher level go first, always.",
        default=Priority.NORMAL.word,
        switch=Switch("Recordings of a higher priority go first, whoever submits them.", is_sent=True),
    )
    client: str | None = option(
        Text(_client_name, LONGEST_CLIENT),
        "Who submits, printable characters; by default the address of the connection. Clients take turns, "
        "so that one with 10,000 recordings does not hold up one with a single recording.",
        answer="Who submitted it: named in the form, else the connection's address.",
        identifies=False,
        switch=Switch(
            "Who submits. Clients take turns; without a name each run counts as one, so that a single "
            "recording comes soon while a folder is under way.",
            metavar="NAME",
        ),
    )
    numerals: str | None = option(
        Choice(tuple(numerals.value for numerals in Numerals)),
        "How the answer writes numbers: in words as they were said, or in digits.",
        default=Numerals.SPOKEN.value,
        forms=Form.TRANSCRIBE,
        switch=Switch("Write numbers in words, as they were said, or in digits: 25 or २५."),
        of_answer=True,
    )

    def recognition(self) -> RecognitionOptions:
        """The part that reaches the engine."""
        return RecognitionOptions(**{name: getattr(self, name) for name in declared(RecognitionOptions)})

    def check(self) -> None:
        """As :meth:`RecognitionOptions.check`."""
        if self.transcript is False and self.waveform is False:
            raise OptionError("transcript", "Ask for a transcript, a waveform, or both.")
        super().check()


def declared(options: type[RecognitionOptions]) -> Mapping[str, Option]:
    """The options that a class declares, by name, its bases' first."""
    return _declared(cast("Hashable", options))


@cache
def _declared(options: Any) -> dict[str, Option]:
    return {one.name: one.metadata["option"] for one in fields(options)}


def options_in(form: Form) -> dict[str, Option]:
    """The options that a form may set, by name."""
    return {name: option for name, option in declared(SubmissionOptions).items() if form in option.forms}
