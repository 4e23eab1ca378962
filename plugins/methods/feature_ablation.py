"""Feature ablation: what hiding one segment of the image takes from an output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch

from ..contract import Attribution, Channels, Completeness, Job, Method, Need
from ..observed import ObservedModel
from ..order import stages
from .segments import SegmentParameters, Segments

__all__ = ["FeatureAblation", "FeatureAblationParameters"]


class FeatureAblationParameters(SegmentParameters):
    """What is hidden, and behind what."""


class FeatureAblation(Method[FeatureAblationParameters]):
    """The drop of an output when one segment is hidden.

    Captum's gives the same numbers, with a sweep per target and no maps on the way. Segments are hidden in an order
    that jumps across the image; a partial map takes the effects of those not tried yet from their neighbours.
    """

    name = "feature_ablation"
    title = "Feature ablation"
    description = (
        "How much the output drops when the segment around the place is hidden, the rest of the X-ray shown, in units "
        "of the output. Negative where hiding raises the output."
    )
    reference = (
        "Kokhlikyan et al.: Captum: A unified and generic model interpretability library. 2020. arXiv:2009.07896"
    )
    parameters = FeatureAblationParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: FeatureAblationParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield partial maps with a growing part of the segments, then the whole; targets share every forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        segments = params.cut(image, model.spec)
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        order = _spread_out(segments)
        chosen = list(targets)
        with torch.no_grad():
            whole = model(image)[:, chosen].double()
        job.progress(1, total)

        effects = torch.zeros(len(targets), segments.count, dtype=torch.float64)
        for part, due in stages(segments.count, params.batch_size, partial=job.wants_partial):
            hidden = order[part]
            present = torch.ones(len(hidden), segments.count, dtype=torch.bool)
            present[torch.arange(len(hidden)), hidden] = False
            with torch.no_grad():
                outputs = model(segments.show(image, baseline, present))[:, chosen].double()
            effects[:, hidden] = (whole - outputs).T
            # There may be fewer segments than asked for.
            job.progress(total if part.stop == segments.count else 1 + part.stop, total)
            if due:
                fraction = (1 + part.stop) / (1 + segments.count)
                estimate = _complete(segments, effects, order[: part.stop])
                yield from segments.attributions(image, targets, estimate, fraction, final=False)
        yield from segments.attributions(image, targets, effects, 1.0, final=True)

    def cost(self, params: FeatureAblationParameters, shape: Sequence[int], targets: int) -> int:
        """Return the most segments there can be, and one for the image itself; targets cost nothing."""
        params.check_shape(shape)
        return 1 + params.segments


def _spread_out(segments: Segments) -> torch.Tensor:
    """Order segments so that each is as far as can be from all before it: int64, [count]; one in the middle first."""
    centres = segments.centres
    nearest = torch.full((segments.count,), torch.inf, dtype=torch.float64)
    found = int((centres - centres.mean(dim=0)).norm(dim=1).argmin())
    order = []
    for _ in range(segments.count):
        order.append(found)
        nearest = torch.minimum(nearest, (centres - centres[found]).norm(dim=1))
        nearest[found] = -1
        found = int(nearest.argmax())
    return torch.tensor(order)


def _complete(segments: Segments, effects: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Estimate effects [T, count] that are not known from those around, with weights as wide as the known lie apart."""
    centres = segments.centres
    spacing = (segments.labels.numel() / len(known)) ** 0.5
    distances = torch.cdist(centres, centres[known])
    weights = torch.softmax(-0.5 * (distances / (0.5 * spacing)) ** 2, dim=1)
    estimate = effects[:, known] @ weights.T
    estimate[:, known] = effects[:, known]
    return estimate
