"""What an output does while an image is taken away piece by piece, in the order of a map and in random ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Generic, TypeVar

import torch
from pydantic import Field

from ..contract import Job, Parameters
from ..even_parts import even_parts
from ..methods.seeds import seed_field
from ..observed import ObservedModel
from .cells import Cells
from .contract import Better, Family, Measure, MeasuredValue, Shared, Subject
from .judgeable import check_change, check_map

__all__ = ["REMOVAL_VALUES", "Removal", "RemovalMeasure", "RemovalParameters"]

REMOVAL_VALUES = (
    MeasuredValue(
        "above_random",
        "How much better than a random order of the same places the map's order is, in units of `scale`: 0 is chance, "
        "negative is worse than chance; seldom beyond -1 to 1.",
        Better.HIGHER,
    ),
    MeasuredValue(
        "auc",
        "Mean of the output along the map's order, over the fraction of the image that is removed or shown, minus the "
        "output without the image, in units of `scale`.",
    ),
    MeasuredValue("random", "The same along random orders: their mean."),
    MeasuredValue("random_spread", "Standard deviation of the same between random orders: what chance makes of it."),
    MeasuredValue(
        "scale",
        "Range of the output between image, random orders and no image, in units of the output; above 0. Times the "
        "other values it gives them in units of the output.",
    ),
)
"""The numbers of a measure that removes."""


class RemovalParameters(Parameters):
    """In how many steps the image is removed, and what the map's order is compared with."""

    steps: int = Field(
        default=10, ge=2, le=200, description="Steps from the image to nothing of it, 2 to 200; one pass less each."
    )
    orders: int = Field(default=3, ge=2, le=50, description="Random orders that the map's is compared with, 2 to 50.")
    batch_size: int = Field(
        default=16, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    seed: int = seed_field("the random orders, and of what else is drawn", "numbers")

    @abstractmethod
    def side(self, shape: Sequence[int]) -> int:
        """Return the side of the places that are removed as one, pixels."""

    def cells(self, shape: Sequence[int]) -> Cells:
        """Cut an input [C, H, W] into the places that are removed as one."""
        return Cells(int(shape[-2]), int(shape[-1]), self.side(shape))


@dataclass(frozen=True, eq=False)
class Removal:
    """How parts of one image are removed.

    Parameters
    ----------
    remove : callable
        From the pixels that are gone, bool [N, H, W], to images [N, C, H, W].
    nothing : torch.Tensor
        The image when all is gone, [1, C, H, W].
    """

    remove: Callable[[torch.Tensor], torch.Tensor]
    nothing: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Chance:
    """What all maps of one image and network share: float64, of all outputs."""

    ends: torch.Tensor
    """[2, L]: at the image, and at nothing of it."""
    curves: torch.Tensor
    """[orders, steps - 1, L]: between them."""


P = TypeVar("P", bound=RemovalParameters)


class RemovalMeasure(Measure[P], Generic[P]):
    """Base of measures that remove an image piece by piece.

    The mean along an order is that over the fraction which is gone, by the trapezoidal rule, ends included. Showing
    pieces in one order on an empty image makes the images of removing them in the opposite order, so measures that
    show and that remove share their random orders.
    """

    family = Family.FAITHFULNESS
    values: ClassVar[tuple[MeasuredValue, ...]] = REMOVAL_VALUES
    least_first: ClassVar[bool] = False
    """Whether the least evidence goes first, so that a good order keeps the output: this is insertion, backwards."""

    @abstractmethod
    def removal(self, model: ObservedModel, image: torch.Tensor, params: P) -> Removal:
        """Return how parts of an image [1, C, H, W] are removed."""

    @abstractmethod
    def kind(self, params: P) -> tuple[Hashable, ...]:
        """Name how parts are removed, beginning with a name of its own; nothing else may decide it but the seed."""

    def measure(self, subject: Subject, params: P, job: Job) -> Mapping[str, float]:
        """Compare the map's order with random ones; the latter are remembered for the next map."""
        check_map(subject.heatmap)
        shape = subject.image.shape[1:]
        cells, total = params.cells(shape), self.cost(params, shape, subject.passes)
        removal = self.removal(subject.model, subject.image, params)
        orders = cells.random_orders(params.orders, params.seed)
        counts = [round(step * cells.count / params.steps) for step in range(1, params.steps)]
        shared = self.shared(params, shape)

        chance = _chance(
            subject, cells, removal, orders, counts, params, shared.name, partial(job.progress, total=total)
        )
        job.progress(shared.passes, total)
        ends, random = chance.ends[:, subject.target], chance.curves[..., subject.target]
        middle = random.mean(dim=0)
        scale = float(torch.cat([ends, middle]).max() - torch.cat([ends, middle]).min())
        check_change(scale, torch.cat([ends, random.flatten()]), "parts of the image are removed")

        means = cells.means(subject.heatmap)
        if means.min() == means.max():
            curve = middle  # It prefers no place: what is expected of it is chance.
        else:
            order = cells.order_by(subject.heatmap, orders[0])
            hidden = cells.hidden(order.flip(0) if self.least_first else order, counts)
            curve = _outputs(
                subject.model,
                removal,
                hidden,
                params.batch_size,
                lambda done: job.progress(shared.passes + done, total),
            )[:, subject.target]
        job.progress(total, total)

        fractions = torch.tensor([0, *counts, cells.count], dtype=torch.float64) / cells.count
        auc, *by_chance = (
            float(torch.trapezoid((torch.cat([ends[:1], one, ends[1:]]) - ends[1]) / scale, fractions))
            for one in (curve, *random)
        )
        aucs = torch.tensor(by_chance, dtype=torch.float64)
        expected = float(torch.trapezoid((torch.cat([ends[:1], middle, ends[1:]]) - ends[1]) / scale, fractions))
        return {
            "above_random": auc - expected if self.least_first else expected - auc,
            "auc": auc,
            "random": expected,
            "random_spread": float(aucs.std()),
            "scale": scale,
        }

    def cost(self, params: P, shape: Sequence[int], passes: int) -> int:
        """Return a pass per step along each order, and two for the ends; of further maps only their own order."""
        return self.shared(params, shape).passes + params.steps - 1

    def shared(self, params: P, shape: Sequence[int]) -> Shared:
        """Return the ends and the random orders, also among measures that remove alike."""
        name = (*self.kind(params), params.side(shape), params.steps, params.orders, params.seed)
        return Shared(name, 2 + params.orders * (params.steps - 1))


def _chance(
    subject: Subject,
    cells: Cells,
    removal: Removal,
    orders: torch.Tensor,
    counts: Sequence[int],
    params: RemovalParameters,
    key: Hashable,
    progress: Callable[[int], None],
) -> _Chance:
    """Take the random curves from what is known, or find and keep them."""
    if key not in subject.model.known:
        with torch.no_grad():
            ends = subject.model(torch.cat([subject.image, removal.nothing])).double()
        hidden = torch.cat([cells.hidden(order, counts) for order in orders])
        outputs = _outputs(subject.model, removal, hidden, params.batch_size, lambda done: progress(2 + done))
        subject.model.known[key] = _Chance(ends, outputs.reshape(len(orders), len(counts), -1))
    known: _Chance = subject.model.known[key]
    return known


def _outputs(
    model: ObservedModel, removal: Removal, hidden: torch.Tensor, batch_size: int, progress: Callable[[int], None]
) -> torch.Tensor:
    """Return the outputs, float64 [N, L], where pixels, bool [N, H, W], are gone."""
    found = []
    for chosen in even_parts(len(hidden), batch_size):
        with torch.no_grad():
            found.append(model(removal.remove(hidden[chosen])).double())
        progress(sum(map(len, found)))
    return torch.cat(found)
