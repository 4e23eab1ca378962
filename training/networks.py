"""The five networks of arXiv:2006.02570, built with timm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..handlers.repository import FIVE_NETWORKS
from .errors import WeightsError

if TYPE_CHECKING:
    import torch

__all__ = ["NETWORKS", "Network", "build_network", "build_timm"]


@dataclass(frozen=True)
class Network:
    """One of the five.

    Parameters
    ----------
    name : str
        In timm and in the repository.
    title : str
        As shown to people.
    size : int
        Default side of the input, pixels. 224 and 299 are what timm's weights were trained at; the paper's 512 costs
        five and three times as much.
    options : mapping
        Further arguments of ``timm.create_model``.
    """

    name: str
    title: str
    size: int
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


# Zero-initialised residual branches help long training; from scratch in a few hundred steps they only delay it.
_RESNET = MappingProxyType({"zero_init_last": False})

NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network("resnet18", "ResNet18", 224, _RESNET),
            Network("resnet34", "ResNet34", 224, _RESNET),
            # The auxiliary head is a second output that nothing serves.
            Network("inception_v3", "InceptionV3", 299, MappingProxyType({"aux_logits": False})),
            Network("inception_resnet_v2", "InceptionResNetV2", 299),
            Network("densenet161", "DenseNet161", 224),
        )
    }
)
"""The five, in the order in which answers list them."""

if tuple(NETWORKS) != FIVE_NETWORKS:  # pragma: no cover
    raise AssertionError("the repository and the trainer disagree about the five networks")


def build_network(name: str, labels: int, weights: str = "none") -> torch.nn.Module:
    """Build one of the five for grey X-rays.

    Parameters
    ----------
    name : str
        Key of `NETWORKS`.
    labels : int
        Number of logits.
    weights : str
        ``none`` (random), ``imagenet`` (timm downloads them), or the path of a file with this network's weights. timm's
        own loading code sums the colour filters of the first layer into one and drops the classifier.

    Returns
    -------
    torch.nn.Module
        In training mode, float32. The random state decides its random weights.

    Raises
    ------
    WeightsError
        If the weights cannot be had or are another network's.
    """
    network = NETWORKS[name]
    return build_timm(name, labels=labels, channels=1, weights=weights, options=network.options)


def build_timm(
    architecture: str, *, labels: int, channels: int, weights: str = "none", options: Mapping[str, Any] | None = None
) -> torch.nn.Module:
    """Build any of timm's networks; see `build_network`."""
    import timm
    import torch

    arguments: dict[str, Any] = {"in_chans": channels, "num_classes": labels, **(options or {})}
    if weights == "none":
        untrained: torch.nn.Module = timm.create_model(architecture, **arguments)
        _start_undecided(untrained)
        return untrained
    if weights != "imagenet":
        if not Path(weights).is_file():
            raise WeightsError(f"{weights}: no such file of weights for {architecture}")
        arguments["pretrained_cfg_overlay"] = {"file": weights}
    with torch.random.fork_rng(devices=()):
        fresh = timm.create_model(architecture, **{**arguments, "pretrained_cfg_overlay": None})
    try:
        pretrained: torch.nn.Module = timm.create_model(architecture, pretrained=True, **arguments)
    except Exception as error:  # hub, network, unpickling and shape errors have no common base
        source = "ImageNet weights" if weights == "imagenet" else weights
        hint = " (a file can be given instead: --weights FILE)" if weights == "imagenet" else ""
        raise WeightsError(f"{architecture}: cannot load {source}: {_first_line(error)}{hint}") from error
    if left := _left_random(pretrained, fresh):
        raise WeightsError(f"{architecture}: {weights} has no weights for {len(left)} of its layers, such as {left[0]}")
    if all(map(torch.equal, pretrained.get_classifier().parameters(), fresh.get_classifier().parameters())):  # type: ignore[operator]
        _start_undecided(pretrained)
    return pretrained


def _start_undecided(network: torch.nn.Module) -> None:
    """Make the random weights of the classifier small, so that no label is likelier than another at the start.

    timm draws those of InceptionV3 ten times as large as it needs, for logits of ten and more; what it learns then is
    as sharp, and its gradients point anywhere: on phantoms their average precision was a third of this.
    """
    import torch

    classifier = network.get_classifier()  # type: ignore[operator]
    if isinstance(classifier, torch.nn.Linear):
        torch.nn.init.normal_(classifier.weight, std=0.01)
        torch.nn.init.zeros_(classifier.bias)


def _left_random(network: torch.nn.Module, fresh: torch.nn.Module) -> list[str]:
    """Name the layers that loading left as they were: timm loads what fits and only logs the rest."""
    import torch

    classifier = str(getattr(network, "default_cfg", {}).get("classifier"))
    before = dict(fresh.named_parameters())
    return [
        name
        for name, value in network.named_parameters()
        if value.ndim > 1 and not name.startswith(classifier) and torch.equal(value, before[name])
    ]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
