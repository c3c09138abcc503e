"""What values an option can have: how forms carry them, how JSON keeps them, how OpenAPI describes them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE: Final = frozenset({"0", "off", "f", "false", "n", "no"})


class Kind(ABC):
    """A type of option. A value is what :meth:`parse` returns; None stands for "not chosen"."""

    nothing: ClassVar[Any] = None
    """The value of an option that is not chosen."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """The value of a form's field.

        Raises:
            ValueError: the text is no such value. The message is a sentence without its full stop.
        """

    def text(self, value: Any) -> str:
        """The form's field of a value: the opposite of :meth:`parse`."""
        return str(value)

    def load(self, value: Any) -> Any:
        """The value that a JSON document holds."""
        return value

    def dump(self, value: Any) -> Any:
        """A value for a JSON document: the opposite of :meth:`load`."""
        return value

    @property
    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """JSON schema of the form's field."""

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

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"type": "boolean"}

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
    """Any text, or what `read` makes of it."""

    read: Callable[[str], str] = str
    longest: int | None = None

    def parse(self, text: str) -> str:
        """As :meth:`Kind.parse`."""
        return self.read(text)

    @property
    def schema(self) -> dict[str, Any]:
        """As :attr:`Kind.schema`."""
        return {"type": "string"} | ({} if self.longest is None else {"maxLength": self.longest})

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return str


@dataclass(frozen=True, slots=True)
class Words(Kind):
    """A list of words or phrases, which a form carries as one text that `read` splits."""

    read: Callable[[str], tuple[str, ...]]
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
        return {"type": "string"}

    @property
    def json_type(self) -> Any:
        """As :attr:`Kind.json_type`."""
        return list[str]
