"""The class activation map: what each place adds to an output, where the network ends in pooling and linear layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, cast

import torch
from torch import fx

from ..contract import Attribution, Channels, Completeness, Job, Method, Need, Output, Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from .feature_maps import UPSAMPLING, map_gradients, tapped, upsampled
from .layer_choice import MEANS, choose_map, layer_name, nodes_behind
from .signal_path import not_affine, signal

__all__ = ["ClassActivationMap", "ClassActivationMapParameters"]


class ClassActivationMapParameters(Parameters):
    """None: the layer is the last one with feature maps, and the weights are those of the network."""


class ClassActivationMap(Method[ClassActivationMapParameters]):
    """The last feature maps, weighted by the linear layer behind their pooling: one forward pass for all targets."""

    name = "class_activation_map"
    title = "Class activation map"
    description = (
        "What each place of the last feature maps adds to the output, exactly: pooling and linear layer behind them "
        "are a weighted sum over the places, of which this shows the terms, in units of the output. Their sum is the "
        "output less the fact bias, the part that no place has. Negative where a place speaks against the target. "
        f"{UPSAMPLING}"
    )
    reference = (
        "Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features for Discriminative Localization. CVPR 2016. "
        "arXiv:1512.04150"
    )
    parameters = ClassActivationMapParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.MODULES})
    signed = True
    completeness = Completeness.NONE  # of the cells, before they are enlarged
    channels = Channels.REPEATED
    survives_folding = True

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network with a way past its last feature maps, or more than means and linear layers behind them."""
        graph = cast("fx.GraphModule", network)
        last = choose_map(graph, poolings=MEANS)
        behind = set(nodes_behind(last))
        bent = [what for node, what in not_affine(graph) if node in behind]
        if bent:
            raise NotApplicable(
                f"behind this network's last feature maps, those of {layer_name(last)!r}, comes "
                f"{', '.join(bent[:3])}: the output is no weighted sum over places. Grad-CAM takes its gradient instead"
            )
        within = {last, *behind}
        if any(node in behind and not within.issuperset(operands) for node, operands in signal(graph)):
            raise NotApplicable(
                f"the output takes something from before this network's last feature maps, those of "
                f"{layer_name(last)!r}, too: it is no sum over their places alone. Grad-CAM takes its gradient instead"
            )

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: ClassActivationMapParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield one final map per target; they share the forward pass."""
        if model.output is not Output.LOGIT:
            raise NotApplicable("a probability is no sum over places; let the logit be explained")
        with tapped(model, image, choose_map(model.network, poolings=MEANS)) as tap:
            # Behind the maps the network is affine, so the gradient is its weights, and costs next to nothing.
            for target, (maps, weights) in zip(targets, map_gradients(model, tap, image, targets), strict=True):
                cells = (weights * maps).sum(dim=0)
                job.progress(1, 1)
                bias = model.value(target) - float(cells.sum())
                yield Attribution(target, upsampled(cells, image), fraction=1.0, final=True, facts={"bias": bias})
                job.check()

    def cost(self, params: ClassActivationMapParameters, shape: Sequence[int], targets: int) -> int:
        """Return one forward pass, however many targets."""
        return 1
