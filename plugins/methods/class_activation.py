"""What class activation maps have in common: a layer, a forward pass for all targets, and an enlarged map."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch

from ..contract import Attribution, Channels, Completeness, Job, Method, Need
from ..observed import ObservedModel
from .feature_maps import LayerParameters, map_gradients, tapped, upsampled
from .layer_choice import choose_map

__all__ = ["GradientClassActivation"]


class GradientClassActivation(Method[LayerParameters]):
    """A sum of feature maps, weighted by the gradient of an output with respect to them."""

    parameters = LayerParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    signed = False
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    @abstractmethod
    def combine(self, maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Make a map [h, w] of feature maps [K, h, w] and the gradient of an output with respect to them."""

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network that does not end in convolutional feature maps."""
        choose_map(network)

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: LayerParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield one final map per target; they share one forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        with tapped(model, image, choose_map(model.network, params.layer)) as tap:
            for position, (maps, gradient) in enumerate(map_gradients(model, tap, image, targets)):
                values = upsampled(self.combine(maps, gradient), image)
                job.progress(3 + 2 * position, total)
                yield Attribution(targets[position], values, fraction=1.0, final=True)
                job.check()

    def cost(self, params: LayerParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of one forward pass and a backward pass per target."""
        return 1 + 2 * targets
