"""What a training run is: everything that decides its result, and the presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..handlers.card import DataRecord, Label
from .batches import Augmentation
from .networks import NETWORKS

__all__ = ["NetworkSettings", "RunSettings", "demo_settings", "manifest_settings", "native_bfloat16"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSettings(_Settings):
    """How one network is trained: AdamW with one cycle of the learning rate."""

    size: int = Field(ge=32, le=2048)
    """Side of the square input, pixels."""
    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch: int = Field(default=16, ge=2)
    """Films per step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of the cycle."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's."""


class RunSettings(_Settings):
    """One run: its networks are trained on the same data and released together."""

    preset: str
    """``demo`` or ``manifest``."""
    data: DataRecord
    """What is trained on."""
    labels: tuple[Label, ...]
    """In the order of the logits; thresholds come later, from the validation split."""
    networks: dict[str, NetworkSettings]
    """By name, in the order in which answers list them."""
    augmentation: Augmentation
    """Random changes of training films."""
    weights: str
    """``none`` (random), ``imagenet``, or a file."""
    precision: str
    """``bf16-mixed`` or ``32-true``, as Lightning calls them. Scores are always measured in float32, as served."""
    seed: int
    """Of weights, order and augmentation."""


def native_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; elsewhere it is emulated, and slower than float32."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public name for them
    return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)


# size, steps with bfloat16, steps without, learning rate. The Inceptions end in a 3 x 3 map at 160 pixels; below, class
# activation maps would be constant. Their steps cost most and count most.
_DEMO: Mapping[str, tuple[int, int, int, float]] = {
    "resnet18": (96, 280, 180, 3e-3),
    "resnet34": (96, 200, 110, 2e-3),
    "inception_v3": (160, 170, 90, 2e-3),
    "inception_resnet_v2": (160, 50, 30, 1e-3),
    "densenet161": (96, 90, 45, 1e-3),
}


def demo_settings(data: DataRecord, labels: tuple[Label, ...], networks: Sequence[str], seed: int) -> RunSettings:
    """Return the settings of the demo: five networks that detect lesions after four minutes on two cores."""
    fast = native_bfloat16()
    chosen = {name: _DEMO[name] for name in networks}
    return RunSettings(
        preset="demo",
        data=data,
        labels=labels,
        networks={
            name: NetworkSettings(size=size, steps=steps if fast else fewer, learning_rate=rate)
            for name, (size, steps, fewer, rate) in chosen.items()
        },
        augmentation=Augmentation(flip=True, shift=0, gain=0, erase=2),  # phantoms vary enough by themselves
        weights="none",
        precision="bf16-mixed" if fast else "32-true",
        seed=seed,
    )


def manifest_settings(
    data: DataRecord,
    labels: tuple[Label, ...],
    networks: Sequence[str],
    *,
    films: int,
    epochs: int,
    size: int | None,
    batch: int,
    learning_rate: float | None,
    weights: str,
    seed: int,
) -> RunSettings:
    """Return the settings of a run on X-rays.

    Parameters
    ----------
    data, labels, networks, weights, seed
        See `RunSettings`.
    films : int
        In the training split.
    epochs : int
        Passes over it.
    size : int, optional
        Side of the input of all networks, pixels; by default each network's own.
    batch : int
        Films per step.
    learning_rate : float, optional
        By default 1e-3 from random weights, 3e-4 from trained ones.
    """
    steps = max(1, -(-films * epochs // batch))
    rate = learning_rate or (1e-3 if weights == "none" else 3e-4)
    return RunSettings(
        preset="manifest",
        data=data,
        labels=labels,
        networks={
            name: NetworkSettings(
                size=size or NETWORKS[name].size, steps=steps, batch=batch, learning_rate=rate, weight_decay=1e-4
            )
            for name in networks
        },
        augmentation=Augmentation(),
        weights=weights,
        precision="bf16-mixed" if native_bfloat16() else "32-true",
        seed=seed,
    )
