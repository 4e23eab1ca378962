"""What an audit's numbers are called."""

from __future__ import annotations

from collections.abc import Mapping

from ....plugins.measures import Better
from ...report.numbers import ABSENT, NOT_ESTIMABLE
from ...statistics.score import Score
from ..rank_agreement import CARDS, SCORE
from ..scopes import ALL
from ..tables import AuditHead, Quantity

__all__ = ["Words", "measured", "plain", "share"]

_BETTER = {Better.HIGHER: "higher is better", Better.LOWER: "lower is better", Better.NEITHER: "not ranked"}
_LARGE, _SMALL = 100, 0.001


class Words:
    """Titles of quantities, methods and scopes.

    Parameters
    ----------
    head : AuditHead
        Of the tables.
    """

    def __init__(self, head: AuditHead) -> None:
        self.quantities: Mapping[str, Quantity] = {quantity.name: quantity for quantity in head.quantities}
        self._methods = {method.name: method.title for method in head.methods}

    def title(self, quantity: str, scope: str = ALL) -> str:
        """Return what a quantity is called, and over which films where not over all."""
        if scope == CARDS and quantity == SCORE:
            return "score: micro-F1 of the cards"
        found = self.quantities.get(quantity)
        name = found.title if found is not None else quantity
        return name if scope == ALL else f"{name}, {scope}"

    def directed(self, quantity: str, scope: str = ALL) -> str:
        """Return the title and which end is better."""
        return f"{self.title(quantity, scope)} ({_BETTER[self.quantities[quantity].better]})"

    def who(self, name: str) -> str:
        """Return what a network or a method is called: networks have no titles."""
        return self._methods.get(name, name)

    def method(self, name: str) -> str:
        """Return what a method is called."""
        return self._methods.get(name, name.replace("_", " "))


def plain(value: float) -> str:
    """Write a number of any size."""
    if abs(value) >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.2g}" if 0 < abs(value) < _SMALL else f"{value:.3f}"


def measured(score: Score | None) -> str:
    """Write a number of any size and its interval."""
    if score is None:
        return NOT_ESTIMABLE
    if score.value is None:
        return ABSENT
    if score.low is None or score.high is None:
        return f"{plain(score.value)} (no interval)"
    return f"{plain(score.value)} ({plain(score.low)} to {plain(score.high)})"


def share(value: float) -> str:
    """Write a share in percent."""
    return f"{value:.0%}".replace("%", " %")
