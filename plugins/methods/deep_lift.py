"""DeepLIFT: the change of the output from a baseline, passed back through the change of every activation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import fx, nn

from ...handlers.lifting import ACTIVATIONS
from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from .baselines import BASELINES, Baseline
from .seeds import seed_field
from .signal_path import not_affine

__all__ = ["DeepLift", "DeepLiftParameters", "deep_lift_shares", "refuse_what_is_not_covered"]


class DeepLiftParameters(Parameters):
    """What the image is compared with."""

    baseline: Baseline = Field(default=Baseline.BLACK, description=f"The image without evidence: {BASELINES}.")
    seed: int = seed_field("the baseline uniform_noise")


class DeepLift(Method[DeepLiftParameters]):
    """Captum's DeepLIFT with the Rescale rule, on the lifted network and with a rule for poolings that overlap."""

    name = "deep_lift"
    title = "DeepLIFT"
    description = (
        "Each pixel's share of the change of the output from the baseline to the X-ray, in units of the output, by the "
        "Rescale rule: activations pass back how much they changed rather than their slope. The shares sum to that "
        "change, up to the convergence delta."
    )
    reference = (
        "Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences. "
        "ICML 2017. arXiv:1704.02685"
    )
    parameters = DeepLiftParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    signed = True
    completeness = Completeness.EXACT

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network with parts that the Rescale rule does not cover, by their names."""
        refuse_what_is_not_covered(network)

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: DeepLiftParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield one final map per target."""
        total = self.cost(params, image.shape[1:], len(targets))
        baseline = params.baseline.like(image, model.spec, seed=params.seed, statistics=model.statistics)
        with torch.no_grad():
            at_image, at_baseline = model(torch.cat([image, baseline])).double()
        job.progress(2, total)
        for position, target in enumerate(targets):
            values = deep_lift_shares(model, image, baseline, target)[0]
            job.progress(2 + 6 * (position + 1), total)
            delta = values.double().sum() - (at_image[target] - at_baseline[target])
            yield Attribution(target, values, fraction=1.0, final=True, convergence_delta=float(delta))

    def cost(self, params: DeepLiftParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a pass forth and back of image and baseline per target, and of both outputs."""
        return 2 + 6 * targets


def refuse_what_is_not_covered(network: torch.nn.Module) -> None:
    """Look whether the Rescale rule covers a lifted network.

    Raises
    ------
    NotApplicable
        If not; names the first parts that it does not cover.
    """
    assert isinstance(network, fx.GraphModule)  # noqa: S101 - what Need.MODULES promises
    parts = list(dict.fromkeys(_not_covered(network)))
    if parts:
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
        raise NotApplicable(f"DeepLIFT's Rescale rule does not cover {', '.join(parts[:3])}{more}")


def _not_covered(network: fx.GraphModule) -> Iterator[str]:
    """Name what of a lifted network the Rescale rule does not cover: a layer's kind and name, or an operator's name."""
    for node, what in not_affine(network):
        layer = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(layer, (*ACTIVATIONS, nn.MaxPool2d)):
            yield what


def deep_lift_shares(model: ObservedModel, images: torch.Tensor, baselines: torch.Tensor, target: int) -> torch.Tensor:
    """Run DeepLIFT on pairs of image and baseline.

    Parameters
    ----------
    model : ObservedModel
        Of a lifted network.
    images, baselines : torch.Tensor
        [N, C, H, W] each.
    target : int
        Index of the output.

    Returns
    -------
    torch.Tensor
        Float32 [N, C, H, W]; each sums to the change of the output from its baseline to its image.
    """
    from .rescale import RescaleDeepLift  # not at the top: Captum brings pandas and matplotlib

    with warnings.catch_warnings():
        # Captum says of every call that it sets hooks and removes them.
        warnings.filterwarnings("ignore", "Setting forward, backward hooks", UserWarning)
        shares: torch.Tensor = RescaleDeepLift(model).attribute(
            images.clone().requires_grad_(), baselines, target=target
        )
    return shares.detach()
