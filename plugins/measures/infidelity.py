"""Infidelity: how badly a map foretells what hiding parts of the image does to the output."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Job, Parameters
from ..even_parts import even_parts
from ..methods.baselines import BASELINES, Baseline
from ..methods.seeds import seed_field
from .contract import Better, Family, Measure, MeasuredValue, Shared, Subject
from .judgeable import check_change, check_map

__all__ = ["Infidelity", "InfidelityParameters"]


class InfidelityParameters(Parameters):
    """How often something is hidden, and behind what."""

    perturbations: int = Field(default=24, ge=2, le=2000, description="Squares that are hidden in turn, 2 to 2000.")
    side: float = Field(
        default=0.25, gt=0, le=0.9, description="Side of a square, as a fraction of the input's shorter side, 0 to 0.9."
    )
    baseline: Baseline = Field(default=Baseline.BLACK, description=f"What a hidden square shows: {BASELINES}.")
    batch_size: int = Field(
        default=16, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    seed: int = seed_field("the squares, and of the baseline uniform_noise", "numbers")


class Infidelity(Measure[InfidelityParameters]):
    """Captum's infidelity of the map, as contributions that are lost where a square is hidden."""

    name = "infidelity"
    title = "Infidelity"
    family = Family.FAITHFULNESS
    description = (
        "Hides random squares, and compares each change of the output with the sum of the map inside: the share of the "
        "changes that the map does not foretell, were it multiplied by the number that suits it best."
    )
    reference = (
        "Yeh, Hsieh, Suggala, Inouye, Ravikumar: On the (In)fidelity and Sensitivity of Explanations. NeurIPS 2019. "
        "arXiv:1901.09392"
    )
    variant = (
        "captum.metrics.infidelity(normalize=True), divided by the mean square of the output's changes, which makes it "
        "a share. Captum's input is which pixels are shown (1 or 0), so the map counts as contributions, whatever its "
        "method; squares of one size at uniform places. The best multiple may be negative: correlation tells."
    )
    parameters = InfidelityParameters
    values: ClassVar[tuple[MeasuredValue, ...]] = (
        MeasuredValue(
            "infidelity",
            "Mean square of what the best multiple of the map leaves unexplained of the output's changes, as a share "
            "of their mean square: 0 (all foretold) to 1 (nothing).",
            Better.LOWER,
        ),
        MeasuredValue("constant", "The same of a map that is equal everywhere: a map above that says less than none."),
        MeasuredValue(
            "correlation",
            "Of the map's sums with the output's changes, not centred: -1 to 1; its square and the infidelity sum to "
            "1. Negative: the map has the wrong sign.",
        ),
    )

    def measure(self, subject: Subject, params: InfidelityParameters, job: Job) -> Mapping[str, float]:
        """Hide squares, or take from what is known what hiding them does."""
        check_map(subject.heatmap)
        total = self.cost(params, subject.image.shape[1:], subject.passes)
        hidden = _squares(params, subject.image.shape[1:])
        outputs = _outputs(subject, hidden, params, self.shared(params, subject.image.shape[1:]).name, job)[
            :, subject.target
        ]
        job.progress(total, total)
        changes = outputs[:1] - outputs[1:]
        check_change(float(changes.abs().max()), outputs, "squares of the image are hidden")

        gone, heatmap = hidden.double()[:, None], subject.heatmap.double()[None, None]
        sums = (gone * heatmap).sum(dim=(1, 2, 3))
        likeness = float(
            (sums * changes).sum() / (sums.square().sum() * changes.square().sum()).sqrt().clamp(min=1e-300)
        )
        return {
            "infidelity": _share(outputs, changes, gone, heatmap),
            "constant": _share(outputs, changes, gone, torch.ones_like(heatmap)),
            "correlation": min(max(likeness, -1.0), 1.0),
        }

    def cost(self, params: InfidelityParameters, shape: Sequence[int], passes: int) -> int:
        """Return a pass per square, and one for the image; of further maps of the same image and network none."""
        return 1 + params.perturbations

    def shared(self, params: InfidelityParameters, shape: Sequence[int]) -> Shared:
        """Return all of it: what hiding does is the same for every map."""
        name = ("infidelity", params.perturbations, params.side, params.baseline, params.seed)
        return Shared(name, 1 + params.perturbations)


def _share(outputs: torch.Tensor, changes: torch.Tensor, gone: torch.Tensor, heatmap: torch.Tensor) -> float:
    """Return the share of the changes [N] that a map [1, 1, H, W] does not foretell."""
    from captum.metrics import infidelity  # not at the top: Captum brings pandas and matplotlib

    # Captum asks for the outputs of the image and of all squares; it gets those that are known.
    left = infidelity(
        lambda shown: outputs[:1] if len(shown) == 1 else outputs[1:],
        lambda shown: (gone, shown - gone),
        torch.ones_like(heatmap),
        heatmap,
        n_perturb_samples=len(gone),
        normalize=True,
    )
    return min(max(float(left) / float(changes.square().mean()), 0.0), 1.0)


def _squares(params: InfidelityParameters, shape: Sequence[int]) -> torch.Tensor:
    """Draw what is hidden: bool, [perturbations, H, W]."""
    height, width = int(shape[-2]), int(shape[-1])
    side = max(1, round(params.side * min(height, width)))
    generator = torch.Generator().manual_seed(params.seed)
    hidden = torch.zeros(params.perturbations, height, width, dtype=torch.bool)
    for plane in hidden:
        top, left = _draw(height - side, generator), _draw(width - side, generator)
        plane[top : top + side, left : left + side] = True
    return hidden


def _draw(last: int, generator: torch.Generator) -> int:
    return int(torch.randint(last + 1, (), generator=generator))


def _outputs(
    subject: Subject, hidden: torch.Tensor, params: InfidelityParameters, key: Hashable, job: Job
) -> torch.Tensor:
    """Return all outputs of the image and of it with each square hidden: float64, [1 + perturbations, L]."""
    model, image = subject.model, subject.image
    if key not in model.known:
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        total = 1 + len(hidden)
        with torch.no_grad():
            found = [model(image).double()]
            job.progress(1, total)
            for part in (hidden[chosen] for chosen in even_parts(len(hidden), params.batch_size)):
                found.append(model(torch.where(part[:, None], baseline, image)).double())
                job.progress(sum(map(len, found)), total)
        model.known[key] = torch.cat(found)
    outputs: torch.Tensor = model.known[key]
    return outputs
