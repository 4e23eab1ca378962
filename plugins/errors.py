"""What can go wrong with an explanation method."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "Cancelled",
    "InvalidParameters",
    "InvalidResult",
    "NotApplicable",
    "PluginsError",
    "RegistrationError",
    "UnknownMeasure",
    "UnknownMethod",
]


class PluginsError(Exception):
    """Base of the errors of this package."""


class Cancelled(PluginsError):
    """The job was cancelled; a method passes it on."""


class NotApplicable(PluginsError):
    """The method cannot be applied to this network or with these parameters; the text says why, and is shown."""


class InvalidResult(PluginsError):
    """A method returned something other than the contract says; the text names what to mend."""


class RegistrationError(PluginsError):
    """A method cannot be registered; the text says why."""


class _Unknown(PluginsError):
    """Nothing has this name.

    Parameters
    ----------
    name : str
        The name asked for.
    known : iterable of str
        The names there are.
    """

    kind: ClassVar[str]
    name: str
    known: tuple[str, ...]

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(name, self.known)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}; there are: {', '.join(self.known) or 'none'}"


class UnknownMethod(_Unknown):
    """No method has this name."""

    kind = "method"


class UnknownMeasure(_Unknown):
    """No measure of quality has this name."""

    kind = "measure"


class InvalidParameters(PluginsError):
    """Parameters that a method or a measure does not take.

    Parameters
    ----------
    method : str
        The method, or the measure.
    problems : iterable of (str, str)
        The parameter, and what is wrong with it.
    known : iterable of str
        The parameters that there are.
    kind : str
        "method" or "measure".
    """

    method: str
    problems: tuple[tuple[str, str], ...]
    known: tuple[str, ...]
    kind: str

    def __init__(
        self, method: str, problems: Iterable[tuple[str, str]], known: Iterable[str], kind: str = "method"
    ) -> None:
        self.method = method
        self.problems = tuple(problems)
        self.known = tuple(sorted(known))
        self.kind = kind
        super().__init__(method, self.problems, self.known, kind)

    def __str__(self) -> str:
        text = "; ".join(f"{name}: {problem}" if name else problem for name, problem in self.problems)
        there = f"its parameters are: {', '.join(self.known)}" if self.known else "it has no parameters"
        return f"{self.kind} {self.method!r}: {text}; {there}"
