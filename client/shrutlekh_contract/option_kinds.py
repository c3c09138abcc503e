"""Types of option values: how to parse them from forms, store them as JSON and describe them in OpenAPI."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE: Final = frozenset({"0", "off", "f", "false", "n", "no"})


class Kind(ABC):
    """A type of option values. None means that the option is not set."""

    nothing: ClassVar[Any] = None
    """The value of an option that is not set."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Parse a form field.

        Raises:
            ValueError: the text is invalid. The message is a sentence without a full stop.
        """

    def text(self, value: Any) -> str:
        """Format a value as a form field: the inverse of :meth:`parse`."""
        return str(value)

    def load(self, value: Any) -> Any:
        """Convert from a value of a JSON document."""
        return value

    def dump(self, value: Any) -> Any:
        """Convert to a value of a JSON document: the inverse of :meth:`load`."""
        return value

    def spellings(self, value: Any) -> list[Any]:
        """Return how a form may spell a value, as JSON schema sees it."""
        return [self.text(value)]

    @property
    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """JSON schema of the form field."""

    @property
    @abstractmethod
    def json_type(self) -> Any:
        """Type annotation of the value in JSON."""


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    """Yes or no."""

    def parse(self, text: str) -> bool:
        """As :meth:`Kind.parse`."""
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise ValueError("Input should be a valid boolean, unable to interpret input")
        return word in _TRUE

    def text(self, value: Any) -> str:
        """As :meth:`Kind.text`."""
        return "true" if value else "false"

    def spellings(self, value: Any) -> list[Any]:
        """As :meth:`Kind.spellings`."""
        return [value, *sorted(_TRUE if value else _FALSE)]

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": sorted(_TRUE | _FALSE)}]}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return bool


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        """As :meth:`Kind.parse`."""
        if text not in self.words:
            *others, last = map(repr, self.words)
            raise ValueError(f"Input should be {', '.join(others)} or {last}")
        return text

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"type": "string", "enum": list(self.words)}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return Literal[self.words]


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A finite number from `low` to `high`."""

    low: float
    high: float

    def parse(self, text: str) -> float:
        """As :meth:`Kind.parse`."""
        try:
            number = float(text)
        except ValueError:
            raise ValueError("Input should be a valid number, unable to parse string as a number") from None
        if not math.isfinite(number):
            raise ValueError("Input should be a finite number")
        if number < self.low:
            raise ValueError(f"Input should be greater than or equal to {self.low:g}")
        if number > self.high:
            raise ValueError(f"Input should be less than or equal to {self.high:g}")
        return number

    def text(self, value: Any) -> str:
        """As :meth:`Kind.text`."""
        return repr(value)

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return float


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """A text. `read` validates and normalises it, if given. `form` names its rules in OpenAPI."""

    read: Callable[[str], str] = str
    longest: int | None = None
    form: str | None = None

    def parse(self, text: str) -> str:
        """As :meth:`Kind.parse`."""
        return self.read(text)

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        bounds = {"maxLength": self.longest, "format": self.form}
        return {"type": "string"} | {name: bound for name, bound in bounds.items() if bound is not None}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return str


@dataclass(frozen=True, slots=True)
class Words(Kind):
    """A list of words or phrases. A form field holds them as one text, which `read` splits.

    `form` names the rules of the text in OpenAPI.
    """

    read: Callable[[str], tuple[str, ...]]
    form: str
    nothing: ClassVar[Any] = ()

    def parse(self, text: str) -> tuple[str, ...]:
        """As :meth:`Kind.parse`."""
        return self.read(text)

    def text(self, value: Any) -> str:
        """As :meth:`Kind.text`."""
        return "\n".join(value)

    def load(self, value: Any) -> tuple[str, ...]:
        """As :meth:`Kind.load`."""
        return tuple(map(str, value or ()))

    def dump(self, value: Any) -> list[str]:
        """As :meth:`Kind.dump`."""
        return list(value)

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"type": "string", "format": self.form}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return list[str]


@dataclass(frozen=True, slots=True)
class Many(Kind):
    """Several values. A form repeats the field, and its reader joins the values with line breaks."""

    one: Kind
    nothing: ClassVar[Any] = ()

    def parse(self, text: str) -> tuple[Any, ...]:
        """As :meth:`Kind.parse`."""
        return tuple(map(self.one.parse, text.splitlines()))

    def text(self, value: Any) -> str:
        """As :meth:`Kind.text`."""
        return "\n".join(map(self.one.text, value))

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"type": "array", "items": self.one.schema}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return list[Any]
