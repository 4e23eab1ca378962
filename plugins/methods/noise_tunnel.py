"""What the noise tunnel's methods share: maps of many noisy copies of an image, and their first two moments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import Enum
from typing import ClassVar, TypeVar

import torch
from pydantic import Field

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from ..order import stages
from .baselines import BASELINES, Baseline
from .deep_lift import DeepLift, deep_lift_shares
from .gradients import gradients
from .quadrature import quadrature
from .relu_gradients import Deconvolution, GuidedBackprop, ReluGradient
from .seeds import seed_field

__all__ = ["Base", "NoiseParameters", "NoiseTunnel", "NoiseTunnelParameters"]


class Base(str, Enum):
    """The method whose maps of noisy images are taken together."""

    GRADIENT = "gradient"
    """The gradient with its sign, as the papers on SmoothGrad and VarGrad have it."""
    SALIENCY = "saliency"
    """Its magnitude, as Captum's noise tunnel around Saliency has it."""
    INPUT_X_GRADIENT = "input_x_gradient"
    """The gradient at the noisy image times the noisy image."""
    INTEGRATED_GRADIENTS = "integrated_gradients"
    """From the baseline, without noise, to the noisy image."""
    GUIDED_BACKPROP = "guided_backprop"
    """Needs the layers, as the next two."""
    DECONVOLUTION = "deconvolution"
    DEEP_LIFT = "deep_lift"
    """From the baseline, without noise, to the noisy image."""


_LAYERED: dict[Base, ReluGradient | DeepLift] = {
    Base.GUIDED_BACKPROP: GuidedBackprop(),
    Base.DECONVOLUTION: Deconvolution(),
    Base.DEEP_LIFT: DeepLift(),
}
"""Bases that need the layers of the network."""


class NoiseParameters(Parameters):
    """How much noise, how often; and how the base is computed where it begins at a baseline."""

    samples: int = Field(default=50, ge=2, le=10_000, description="Noisy images, 2 to 10000.")
    noise: float = Field(
        default=0.15,
        gt=0,
        le=10,
        description="Standard deviation of the Gaussian noise as a fraction of the range of the explained image's "
        "values, above 0 up to 10. All channels, being copies of one grey plane, get the same noise.",
    )
    steps: int = Field(
        default=50, ge=2, le=2000, description="Nodes of the quadrature of integrated gradients, 2 to 2000."
    )
    baseline: Baseline = Field(
        default=Baseline.BLACK,
        description=f"Where integrated gradients and DeepLIFT begin, without noise: {BASELINES}.",
    )
    internal_batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    seed: int = seed_field("the noise")


class NoiseTunnelParameters(NoiseParameters):
    """Whose maps are taken together, and with how much noise."""

    base: Base = Field(
        default=Base.GRADIENT,
        description="Whose maps of the noisy images are taken together: gradient, with its sign; saliency, its "
        "magnitude; input_x_gradient; integrated_gradients, which take `steps` times the work; or guided_backprop, "
        "deconvolution and deep_lift, which need the layers of the network.",
    )


P = TypeVar("P", bound=NoiseParameters)


class NoiseTunnel(Method[P]):
    """Maps of noisy copies of an image, taken together pixel by pixel.

    Captum's noise tunnel with the same noise gives the same numbers. It shares no forward pass between targets and
    shows nothing before it ends, hence this one.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    survives_folding = True
    completeness = Completeness.NONE
    fewest: ClassVar[int] = 1
    """Noisy images from which there is a map to show."""

    @abstractmethod
    def combine(self, mean: torch.Tensor, square: torch.Tensor, samples: int, of: int) -> torch.Tensor:
        """Estimate the final map from the mean of some noisy images' maps and the mean of their squares.

        Parameters
        ----------
        mean, square : torch.Tensor
            Float64, [T, C, H, W].
        samples, of : int
            How many images these are of, and how many there will be.
        """

    def base(self, params: P) -> Base:
        """Return whose maps are taken together."""
        return params.base if isinstance(params, NoiseTunnelParameters) else Base.INTEGRATED_GRADIENTS

    def needs_of(self, params: P) -> frozenset[Need]:
        """Return the needs of the base too."""
        base = self.base(params)
        return self.needs | _LAYERED[base].needs if base in _LAYERED else self.needs

    def shared_passes(self, params: P) -> Hashable | None:
        """Share the maps of the noisy images with every combination of the same ones."""
        return "noisy_images", self.base(params), *params.model_dump(exclude={"base"}).values()

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: P, job: Job
    ) -> Iterator[Attribution]:
        """Yield maps of a growing number of noisy images, then of all; targets share forward passes."""
        total = self.cost(params, image.shape[1:], len(targets))
        key = (self.shared_passes(params), tuple(targets))
        if key in model.known:
            job.progress(total, total)
            yield from self._maps(targets, model.known[key], params.samples, params.samples, 1.0)
            return
        done = 0

        def advance(work: int) -> None:
            nonlocal done
            done += work
            job.progress(done, total)
            job.check()

        base = self.base(params)
        if base in _LAYERED:
            _LAYERED[base].check_network(model.network)
            explain = _layered(base, model, image, params)
        else:
            explain = _integrated(model, image, params) if base is Base.INTEGRATED_GRADIENTS else _plain(base)
        deviation = params.noise * float(image.max() - image.min())
        generator = torch.Generator().manual_seed(params.seed)
        sums = torch.zeros(2, len(targets), *image.shape[1:], dtype=torch.float64)
        # Integrated gradients fill their batches with the nodes of one image.
        batch = 1 if base is Base.INTEGRATED_GRADIENTS else params.internal_batch_size
        for part, due in stages(params.samples, batch, partial=job.wants_partial):
            # One by one, so that the noise does not hang on the size of the batches.
            noise = [torch.randn(1, *image.shape[-2:], generator=generator) for _ in range(part.start, part.stop)]
            noisy = image + deviation * torch.stack(noise)
            for position, values in enumerate(explain(model, noisy, targets, advance)):
                sums[0, position] += values.double().sum(dim=0)
                sums[1, position] += values.double().square().sum(dim=0)
            if due and part.stop >= self.fewest:
                yield from self._maps(targets, sums / part.stop, part.stop, params.samples, done / total)
        model.known[key] = sums / params.samples
        yield from self._maps(targets, model.known[key], params.samples, params.samples, 1.0)

    def cost(self, params: P, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a forward pass per noisy image (and node) and a backward pass per target."""
        base = self.base(params)
        if base in _LAYERED:
            return params.samples * targets * _layered_cost(base)
        nodes = params.steps if base is Base.INTEGRATED_GRADIENTS else 1
        return params.samples * nodes * (1 + 2 * targets)

    def _maps(
        self, targets: Sequence[int], moments: torch.Tensor, samples: int, of: int, fraction: float
    ) -> Iterator[Attribution]:
        maps = self.combine(moments[0], moments[1], samples, of).float()
        for target, values in zip(targets, maps, strict=True):
            yield Attribution(target, values, fraction, final=samples == of)


_Explain = Callable[[ObservedModel, torch.Tensor, Sequence[int], Callable[[int], None]], Iterator[torch.Tensor]]
"""Yields the maps [N, C, H, W] of N images per target, and tells its work."""


def _plain(base: Base) -> _Explain:
    def explain(
        model: ObservedModel, noisy: torch.Tensor, targets: Sequence[int], advance: Callable[[int], None]
    ) -> Iterator[torch.Tensor]:
        for position, gradient in enumerate(gradients(model, noisy, targets)):
            advance(len(noisy) * (2 if position else 3))
            if base is Base.SALIENCY:
                gradient = gradient.abs()
            elif base is Base.INPUT_X_GRADIENT:
                gradient = noisy * gradient
            yield gradient

    return explain


def _integrated(model: ObservedModel, image: torch.Tensor, params: NoiseParameters) -> _Explain:
    baseline = _baseline(model, image, params)
    nodes, weights = quadrature(params.steps)

    def explain(
        model: ObservedModel, noisy: torch.Tensor, targets: Sequence[int], advance: Callable[[int], None]
    ) -> Iterator[torch.Tensor]:
        difference = noisy - baseline
        sums = torch.zeros(len(targets), *noisy.shape, dtype=torch.float64)
        for start in range(0, len(nodes), params.internal_batch_size):
            part = slice(start, start + params.internal_batch_size)
            points = baseline + nodes[part, None, None, None].float() * difference
            for position, gradient in enumerate(gradients(model, points, targets)):
                sums[position, 0] += (gradient.double() * weights[part, None, None, None]).sum(dim=0)
                advance(len(points) * (2 if position else 3))
        yield from sums * difference

    return explain


def _layered(base: Base, model: ObservedModel, image: torch.Tensor, params: NoiseParameters) -> _Explain:
    method = _LAYERED[base]
    baseline = _baseline(model, image, params)

    def explain(
        model: ObservedModel, noisy: torch.Tensor, targets: Sequence[int], advance: Callable[[int], None]
    ) -> Iterator[torch.Tensor]:
        for target in targets:
            if isinstance(method, ReluGradient):
                values = method.gradient(model, noisy, target)
            else:
                values = deep_lift_shares(model, noisy, baseline.expand_as(noisy), target)
            advance(len(noisy) * _layered_cost(base))
            yield values

    return explain


def _layered_cost(base: Base) -> int:
    """Return the cost of one image and target: DeepLIFT takes the baseline with each."""
    return 6 if base is Base.DEEP_LIFT else 3


def _baseline(model: ObservedModel, image: torch.Tensor, params: NoiseParameters) -> torch.Tensor:
    # Another seed than the noise's, or a baseline of noise and the noise would be made of the same numbers.
    return params.baseline.like(image, model.spec, statistics=model.statistics, seed=(params.seed + 1) % 2**32)
