"""The building blocks that :mod:`shrutlekh_contract.options` declares options with."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shrutlekh_contract.option_kinds import Kind


class Form(enum.Flag):
    """The forms that take a recording."""

    JOB = enum.auto()  # POST /v1/jobs
    TRANSCRIBE = enum.auto()  # POST /transcribe/
    VISUALIZE = enum.auto()  # POST /visualize/
    OPENAI = enum.auto()  # POST /v1/audio/transcriptions
    LIVE = enum.auto()  # WS /v1/stream


ANY: Final = object()  # every value of an option that is set


class OptionError(ValueError):
    """An option's value is invalid, or contradicts another option.

    Attributes:
        option: name of the option.
        message: a sentence for people. It does not repeat the value, which may be private.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option
        self.message = message


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Options that must not be set together.

    Attributes:
        values: by name, the value that contradicts the others; ANY for every value.
        option: the option that is blamed.
        message: a sentence for people that says what to do.
    """

    values: Mapping[str, Any]
    option: str
    message: str

    def holds(self, chosen: Mapping[str, Any]) -> bool:
        """Return whether these options, those that are set, contradict each other."""
        return all(name in chosen and value in (ANY, chosen[name]) for name, value in self.values.items())


@dataclass(frozen=True, slots=True)
class Switch:
    """The command-line switch of an option.

    Attributes:
        help: help text.
        metavar: placeholder of the value in the help text.
        default: description of the default, if the option's default value does not explain itself.
        is_sent: whether the client sends the option's default when the switch is not given. If false, the
            service chooses.
    """

    help: str
    metavar: str | None = None
    default: str | None = None
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """The declaration of an option.

    Attributes:
        kind: type of the values.
        description: OpenAPI description of the form field.
        default: value that the service uses if the option is not set; None if that varies.
        answer: OpenAPI description of the field in a job's JSON, if the name is not enough.
        example: OpenAPI example.
        forms: the forms that may set the option.
        switch: its command-line switch; None if it has none.
        only_with: name of another option that this one requires. Without that option, the default does not
            apply either.
        nullable: whether a job may have no value for the option.
        identifies: whether two requests with the same idempotency key must agree on the option.
        of_answer: whether the option only formats the answer and is not stored with the job.
    """

    kind: Kind
    description: str
    default: Any = None
    answer: str | None = None
    example: str | None = None
    forms: Form = Form.JOB
    switch: Switch | None = None
    only_with: str | None = None
    nullable: bool = False
    identifies: bool = True
    of_answer: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the form field."""
        more = {"description": self.description, "example": self.example, "default": self.default}
        return self.kind.schema | {key: value for key, value in more.items() if value not in (None, ())}


def option(kind: Kind, description: str, **more: Any) -> Any:
    """Return a dataclass field that declares an option; the arguments are those of :class:`Option`."""
    return field(default=kind.nothing, metadata={"option": Option(kind, description, **more)})
