"""RISE: how an output goes with what random masks leave to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import ClassVar

import torch
from pydantic import Field
from torch.nn import functional

from ..contract import Attribution, Channels, Completeness, Job, Method, Need, Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from ..order import stages
from .baselines import BASELINES, Baseline
from .seeds import seed_field

__all__ = ["Rise", "RiseParameters", "rise_masks"]


class RiseParameters(Parameters):
    """What the masks look like, and how many there are."""

    masks: int = Field(
        default=1000,
        ge=10,
        le=20_000,
        description="Random masks, 10 to 20000. The more, the less chance is in the map; the paper has 4000 to 8000.",
    )
    cells: int = Field(
        default=7,
        ge=2,
        le=64,
        description="Cells of a mask along each side, 2 to 64, at most the pixels: the finer, the smaller the "
        "structures a map can show, and the more masks it takes.",
    )
    probability: float = Field(
        default=0.5, gt=0, lt=1, description="Probability of a cell to be seen, above 0 and below 1."
    )
    baseline: Baseline = Field(default=Baseline.BLACK, description=f"What is seen where a mask hides: {BASELINES}.")
    batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    seed: int = seed_field("the masks, and of the baseline uniform_noise")


class Rise(Method[RiseParameters]):
    """The mean output when a pixel is seen, less the mean output under all masks.

    The authors' map is the first mean, estimated as a sum divided by its expected weight. Here it is divided by the
    weight it has, and the mean over all masks taken off: the same map but for a constant, where an output far from
    zero adds no noise and zero means that seeing the place changes nothing. Masks are drawn as they are needed, so that
    memory does not grow with their number.
    """

    name = "rise"
    title = "RISE"
    description = (
        "How much higher the output is on average when the place is seen than under any mask, in units of the output. "
        "Negative where seeing it lowers the output."
    )
    reference = (
        "Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation of Black-box Models. BMVC 2018. "
        "arXiv:1806.07421"
    )
    parameters = RiseParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: RiseParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield maps of a growing part of the masks, then of all; targets share every forward pass."""
        height, width = image.shape[-2:]
        total = self.cost(params, image.shape[1:], len(targets))
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        drawn = rise_masks(height, width, params.cells, params.probability, params.seed)
        seen = torch.zeros(height, width, dtype=torch.float64)
        sums = torch.zeros(len(targets), height, width, dtype=torch.float64)
        outputs = torch.zeros(len(targets), dtype=torch.float64)
        for part, due in stages(params.masks, params.batch_size, partial=job.wants_partial):
            masks = torch.stack([next(drawn) for _ in range(part.stop - part.start)])
            with torch.no_grad():
                batch = model(torch.lerp(baseline, image, masks[:, None]))[:, list(targets)].double()
            seen += masks.double().sum(dim=0)
            sums += torch.einsum("nt,nhw->thw", batch, masks.double())
            outputs += batch.sum(dim=0)
            job.progress(part.stop, total)
            if due or part.stop == params.masks:
                # A place that no mask has shown yet says nothing.
                means = torch.where(seen > 0, sums / seen, (outputs / part.stop)[:, None, None])
                planes = means - (outputs / part.stop)[:, None, None]
                for target, plane in zip(targets, planes.float(), strict=True):
                    values = plane.expand(image.shape[1:]).clone()
                    yield Attribution(target, values, part.stop / total, final=part.stop == params.masks)

    def cost(self, params: RiseParameters, shape: Sequence[int], targets: int) -> int:
        """Return the number of masks; targets cost nothing."""
        if params.cells > min(shape[-2:]):
            raise NotApplicable(f"{params.cells} cells are more than the pixels of a {shape[-2]} x {shape[-1]} input")
        return params.masks


def rise_masks(height: int, width: int, cells: int, probability: float, seed: int) -> Iterator[torch.Tensor]:
    """Draw masks without end.

    Parameters
    ----------
    height, width : int
        Size of a mask, pixels.
    cells : int
        Cells along each side, at most the shorter side in pixels.
    probability : float
        Of a cell to be seen.
    seed : int
        The global random state is neither read nor changed.

    Yields
    ------
    torch.Tensor
        Float32, [height, width], in [0, 1] and on average `probability`: zeros and ones on a grid one cell larger than
        the image, interpolated, and cut out at a random place.
    """
    generator = torch.Generator().manual_seed(seed)
    down, across = ceil(height / cells), ceil(width / cells)
    larger = ((cells + 1) * down, (cells + 1) * across)
    while True:
        grid = (torch.rand(1, 1, cells, cells, generator=generator) < probability).float()
        mask = functional.interpolate(grid, size=larger, mode="bilinear", align_corners=False)[0, 0]
        top, left = (int(torch.randint(side, (1,), generator=generator)) for side in (down, across))
        yield mask[top : top + height, left : left + width]
