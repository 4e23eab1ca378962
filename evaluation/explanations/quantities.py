"""What the numbers mean that come with the maps from the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...client import Measure, MeasuredValue
from ...plugins.measures import Better
from .float32_beside import SPEARMAN
from .offered import defaults
from .tables import Quantity

__all__ = ["BESIDE_FLOAT32", "OF_MAPS", "quantities_of"]

OF_MAPS: tuple[Quantity, ...] = (
    Quantity(
        name="completeness.missed_share",
        title="Missed share",
        description="How much of the change of the output from the baseline to the X-ray the attribution misses: "
        "|convergence delta| / |change|, 0 or more. Of methods that claim to be complete alone.",
        family="completeness",
        better=Better.LOWER,
        variant="radiolucent: the convergence delta of the method, over the change of the output",
    ),
    Quantity(
        name="cost.seconds",
        title="Time of a map",
        description="Wall-clock time that a worker needed for one map, in seconds, without measuring it: that of all "
        "labels of a film together, divided by their number. Of methods that share passes (saliency and input x "
        "gradient do), the one that runs first bears them. Depends on the machine.",
        family="cost",
        better=Better.LOWER,
        variant="radiolucent: as the gateway's summary tells",
    ),
    Quantity(
        name="cost.passes",
        title="Passes of a map",
        description="Samples that went forward through the network for one map, without measuring it: those of all "
        "labels of a film together, divided by their number. Of methods that share passes, the first bears them.",
        family="cost",
        better=Better.NEITHER,
        variant="radiolucent: as the gateway's summary tells",
    ),
)
"""Facts of every map."""

BESIDE_FLOAT32 = Quantity(
    name=SPEARMAN,
    title="Likeness to float32",
    description="Spearman's rank correlation of the map's pixels, with their signs, with those of the same map in "
    "float32, in [-1, 1]: 1 is the same order.",
    family="precision",
    better=Better.HIGHER,
    reference="Spearman, 1904",
    variant="scipy.stats.spearmanr",
)
"""Of some films of an audit in another precision."""


def quantities_of(
    measures: Sequence[str],
    offered: Mapping[str, Measure],
    ran_with: Mapping[str, Mapping[str, Any]],
    *,
    beside_float32: bool = False,
) -> tuple[Quantity, ...]:
    """Say what the numbers of measures mean.

    Parameters
    ----------
    measures : sequence of str
        Their names, in order.
    offered : mapping
        What the server says of each.
    ran_with : mapping
        The parameters that each ran with; where it never ran, those that were asked for.
    beside_float32 : bool
        Whether maps were compared with those in float32.

    Returns
    -------
    tuple of Quantity
        One for each number, then those of every map.
    """
    numbers = [
        _quantity(offered[name], value, defaults(offered[name].parameters_schema, ran_with.get(name, {})))
        for name in measures
        for value in offered[name].values
    ]
    return (*numbers, *OF_MAPS, *((BESIDE_FLOAT32,) if beside_float32 else ()))


def _quantity(measure: Measure, value: MeasuredValue, parameters: dict[str, Any]) -> Quantity:
    of_several = "" if len(measure.values) == 1 or value.name == measure.name else f": {value.name.replace('_', ' ')}"
    return Quantity(
        name=f"{measure.name}.{value.name}",
        title=measure.title + of_several,
        description=f"{measure.description} {value.description}".strip(),
        family=measure.family,
        better=_better(value.better),
        reference=measure.reference,
        variant=measure.variant,
        parameters=parameters,
    )


def _better(end: Any) -> Better:  # noqa: ANN401  - the client's enum, or its word
    word = str(getattr(end, "value", end)).lower()
    return next((one for one in Better if one.value == word), Better.NEITHER)
