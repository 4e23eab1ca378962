"""What must be after a run as it was before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules import module as module_hooks

__all__ = ["NetworkState", "hooks", "network_state"]


def hooks(model: torch.nn.Module) -> dict[str, int]:
    """Return how many hooks hang on each module, weight and on all modules at once, by place; none are left out."""
    found: dict[str, int] = {}
    for name, module in model.named_modules():
        found[name or "model"] = _count(vars(module))
    for name, weight in _weights(model).items():
        found[name] = len(weight._backward_hooks or ())
    found["every module (a global hook)"] = _count(vars(module_hooks))
    return {place: count for place, count in found.items() if count}


def _count(attributes: dict[str, Any]) -> int:
    return sum(
        len(value) for name, value in attributes.items() if name.endswith("_hooks") and hasattr(value, "__len__")
    )


@dataclass(frozen=True, eq=False)
class NetworkState:
    """A network, written down.

    Parameters
    ----------
    weights : dict
        Values of parameters and buffers.
    flags : dict
        By place, in words: what kind of module, whether in training, whether its `forward` was replaced; whether a
        weight wants a gradient, and has one.
    """

    weights: dict[str, torch.Tensor]
    flags: dict[str, str]

    def difference(self, after: NetworkState) -> str | None:
        """Return the first place that differs, and how."""
        for place in {**self.flags, **after.flags}:
            if self.flags.get(place) != after.flags.get(place):
                return f"{place}: {self.flags.get(place, 'absent')} became {after.flags.get(place, 'absent')}"
        for place, values in self.weights.items():
            if not torch.equal(values, after.weights[place]):
                return f"the values of {place} differ"
        return None


def network_state(model: torch.nn.Module) -> NetworkState:
    """Write down a network."""
    flags: dict[str, str] = {}
    for name, module in model.named_modules():
        forward = vars(module).get("forward")
        mode = "in training mode" if module.training else "in evaluation mode"
        flags[name or "model"] = f"{type(module).__name__} {mode}{'' if forward is None else ', forward replaced'}"
    for name, weight in _weights(model).items():
        gradient = "has a gradient" if weight.grad is not None else "has no gradient"
        flags[name] = f"requires_grad={weight.requires_grad}, {gradient}"
    return NetworkState({name: weight.detach().clone() for name, weight in _weights(model).items()}, flags)


def _weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
