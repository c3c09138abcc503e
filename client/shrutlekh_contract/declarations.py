"""How an option is declared; :mod:`shrutlekh_contract.options` declares them."""

import enum
from dataclasses import dataclass, field
from typing import Any

from shrutlekh_contract.option_kinds import Kind


class Form(enum.Flag):
    """The forms that take a recording."""

    JOB = enum.auto()  # POST /v1/jobs
    TRANSCRIBE = enum.auto()  # POST /transcribe/
    VISUALIZE = enum.auto()  # POST /visualize/


class OptionError(ValueError):
    """An option has a value that it cannot have, by itself or together with the others.

    Attributes:
        option: its name.
        message: a sentence for people, which does not repeat the value.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option
        self.message = message


@dataclass(frozen=True, slots=True)
class Switch:
    """How the command line shows an option.

    Attributes:
        help: what it does.
        metavar: stands for the value.
        default: words for what happens without it, where the option's own default does not say it.
        is_sent: without it the option's default is sent, instead of leaving the choice to the service.
    """

    help: str
    metavar: str | None = None
    default: str | None = None
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """The declaration of an option.

    Attributes:
        kind: its values.
        description: for OpenAPI, of the form's field.
        default: what the service takes if none is chosen; None if that is not one fixed value.
        answer: for OpenAPI, of the field in the JSON of a job, where the name does not say it all.
        example: for OpenAPI.
        forms: the forms that may set it.
        switch: how the command line shows it; None if it does not.
        only_with: another option that must be chosen too. Without it there is no default either.
        nullable: whether a job may have no value for it.
        identifies: whether requests with one idempotency key must agree on it.
        of_answer: it says how the answer is written, and is not part of the job.
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
        """JSON schema of the form's field."""
        more = {"description": self.description, "example": self.example, "default": self.default}
        return self.kind.schema | {key: value for key, value in more.items() if value not in (None, ())}


def option(kind: Kind, description: str, **more: Any) -> Any:
    """A dataclass field that declares an option; the arguments are the attributes of :class:`Option`."""
    return field(default=kind.nothing, metadata={"option": Option(kind, description, **more)})
