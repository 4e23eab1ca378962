"""The presets: named settings of a run, of which options may change every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..handlers.card import DataRecord, Label
from .augmentation import Augmentation
from .networks import NETWORKS
from .settings import NetworkSettings, RunSettings

__all__ = ["PAPER_DRAWS", "demo_settings", "native_bfloat16", "paper_settings", "standard_settings"]

PAPER_DRAWS = "draws:5"
"""How the paper splits: five random draws by patient."""


def native_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; elsewhere it is emulated, and slower than float32."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public name for them
    return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)


def _precision() -> str:
    return "bf16-mixed" if native_bfloat16() else "32-true"


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
        augmentation=Augmentation(flip=True, erase=2),  # phantoms vary enough by themselves
        precision=_precision(),
        seed=seed,
    )


def standard_settings(
    data: DataRecord, labels: tuple[Label, ...], networks: Sequence[str], seed: int, weights: Mapping[str, str]
) -> RunSettings:
    """Return our settings for X-rays.

    Parameters
    ----------
    data, labels, networks, seed
        See `RunSettings`.
    weights : mapping of str to str
        Where networks start, see `NetworkSettings`; by default from random weights.
    """

    def network(name: str) -> NetworkSettings:
        start = weights.get(name, "none")
        return NetworkSettings(
            size=NETWORKS[name].size,
            epochs=40,
            # Trained weights are spoilt by the steps that random ones need.
            learning_rate=1e-3 if start == "none" else 3e-4,
            weight_decay=0.05,
            warm_up=0.1,
            momentum_cycle=False,
            patience=10,
            weights=start,
        )

    return RunSettings(
        preset="standard",
        data=data,
        labels=labels,
        networks={name: network(name) for name in networks},
        augmentation=Augmentation(rotation=8, shift=0.06, scale=0.1, gain=0.2, contrast=0.2, erase=2),
        imbalance=4,
        calibration="platt",
        precision=_precision(),
        seed=seed,
    )


def paper_settings(
    data: DataRecord, labels: tuple[Label, ...], networks: Sequence[str], seed: int, weights: Mapping[str, str]
) -> RunSettings:
    """Return the recipe of arXiv:2006.02570, as its code has it; see `standard_settings` for the arguments.

    It states no augmentation, no schedule and no early stopping, and has no validation split to choose anything on. By
    default it starts from ImageNet weights.
    """
    return RunSettings(
        preset="paper",
        data=data,
        labels=labels,
        networks={
            name: NetworkSettings(
                size=512,
                epochs=250,
                batch=8,
                optimizer="adam",
                learning_rate=1e-3,
                weight_decay=1e-4,
                warm_up=None,
                momentum_cycle=False,
                weights=weights.get(name, "imagenet"),
            )
            for name in networks
        },
        augmentation=Augmentation(),
        batch_norm_films=0,
        threshold=0.51,
        precision="32-true",
        seed=seed,
    )
