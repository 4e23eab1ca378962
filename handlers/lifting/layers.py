"""Which layer of `torch.nn` an operator of TorchScript is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from .errors import NotLiftable

__all__ = ["ACTIVATIONS", "NON_LINEAR", "BatchNorm", "layer_of"]

Arguments = Mapping[str, Any]
"""Arguments of an operator by the names of its schema. Constants are themselves; what depends on the image is a
`torch.fx.Node`."""


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the training, of any number of dimensions.

    The graph does not say how many dimensions its input has.
    """

    def _check_input_dim(self, input: torch.Tensor) -> None:
        pass


ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.LogSigmoid,
    nn.Tanh,
    nn.Softplus,
)
"""Layers that are a function of one value."""

NON_LINEAR = (
    *ACTIVATIONS,
    nn.Softmax,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)
"""Non-linearities and poolings. Each is fed a tensor of its own: a hook that replaces the gradient of one must not
meet the hook of another on the same tensor."""


def layer_of(operator: str, arguments: Arguments) -> nn.Module | None:
    """Return the layer that computes what an operator computes.

    Parameters
    ----------
    operator : str
        As TorchScript names it, without the namespace and the trailing underscore of an in-place one.
    arguments : mapping of str to Any
        Its arguments.

    Returns
    -------
    torch.nn.Module or None
        Takes the operator's first argument; shares the weights it was given. None where the operator is no layer, or
        an argument that a layer keeps fixed depends on the image.

    Raises
    ------
    NotLiftable
        If the operator behaves as in training.
    """
    build = _LAYERS.get(operator)
    first, *others = arguments.values()
    if build is None or not isinstance(first, torch.fx.Node) or any(_depends(value) for value in others):
        return None
    return build(arguments)


def _depends(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_depends(one) for one in value)
    return isinstance(value, torch.fx.Node)


def _weights(layer: nn.Module, arguments: Arguments, *names: str) -> nn.Module:
    for name in names:
        value = arguments[name]
        setattr(layer, name, None if value is None else nn.Parameter(value.detach(), requires_grad=False))
    return layer


def _convolution(arguments: Arguments) -> nn.Module | None:
    weight = arguments["weight"]
    transposed = arguments.get("transposed", False)
    kind = (_TRANSPOSED if transposed else _CONVOLUTIONS).get(weight.dim())
    if kind is None:
        return None
    groups, padding = arguments["groups"], arguments["padding"]
    # Of a transposed convolution's weight the first axis is what comes in.
    out_channels, in_channels = weight.shape[0], weight.shape[1] * groups
    if transposed:
        in_channels, out_channels = weight.shape[0], weight.shape[1] * groups
    options = {"output_padding": tuple(arguments["output_padding"])} if transposed else {}
    layer = kind(
        in_channels,
        out_channels,
        tuple(weight.shape[2:]),
        stride=tuple(arguments["stride"]),
        padding=padding if isinstance(padding, str) else tuple(padding),
        dilation=tuple(arguments["dilation"]),
        groups=groups,
        device="meta",
        **options,
    )
    return _weights(layer, arguments, "weight", "bias")


def _linear(arguments: Arguments) -> nn.Module | None:
    weight = arguments["weight"]
    if weight.dim() != 2:
        return None
    return _weights(nn.Linear(weight.shape[1], weight.shape[0], device="meta"), arguments, "weight", "bias")


def _batch_norm(arguments: Arguments) -> nn.Module | None:
    if arguments["training"]:
        raise NotLiftable("was traced in training mode: a batch normalisation uses the statistics of the batch")
    mean, variance = arguments["running_mean"], arguments["running_var"]
    if mean is None or variance is None:
        return None
    layer = BatchNorm(mean.shape[0], eps=arguments["eps"], momentum=arguments["momentum"], device="meta")
    _weights(layer, arguments, "weight", "bias")
    layer.running_mean, layer.running_var, layer.num_batches_tracked = mean, variance, None
    return layer.eval()


def _layer_norm(arguments: Arguments) -> nn.Module:
    layer = nn.LayerNorm(tuple(arguments["normalized_shape"]), eps=arguments["eps"], device="meta")
    return _weights(layer, arguments, "weight", "bias")


def _group_norm(arguments: Arguments) -> nn.Module | None:
    if arguments["weight"] is None:
        return None
    channels = arguments["weight"].shape[0]
    layer = nn.GroupNorm(arguments["num_groups"], channels, eps=arguments["eps"], device="meta")
    return _weights(layer, arguments, "weight", "bias")


def _hardtanh(arguments: Arguments) -> nn.Module:
    low, high = arguments["min_val"], arguments["max_val"]
    return nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high)


def _elu(arguments: Arguments) -> nn.Module | None:
    alpha, scale, input_scale = (float(arguments[name]) for name in ("alpha", "scale", "input_scale"))
    return nn.ELU(alpha) if (scale, input_scale) == (1.0, 1.0) else None


def _prelu(arguments: Arguments) -> nn.Module:
    layer = nn.PReLU(arguments["weight"].numel(), device="meta")
    return _weights(layer, arguments, "weight")


def _softmax(arguments: Arguments) -> nn.Module | None:
    return nn.Softmax(arguments["dim"]) if arguments["dtype"] is None else None


def _sizes(value: object) -> object:
    """Give a pooling its sizes as tuples; TorchScript says an absent stride as an empty list."""
    return (tuple(value) or None) if isinstance(value, list) else value


def _pooling(kind: Callable[..., nn.Module], *names: str) -> Callable[[Arguments], nn.Module]:
    def build(arguments: Arguments) -> nn.Module:
        # An older TorchScript leaves out what did not exist when it was written.
        return kind(**{name: _sizes(arguments[name]) for name in names if name in arguments})

    return build


def _adaptive(kind: Callable[..., nn.Module]) -> Callable[[Arguments], nn.Module]:
    return lambda arguments: kind(tuple(arguments["output_size"]))


def _plain(kind: Callable[..., nn.Module], **names: str) -> Callable[[Arguments], nn.Module]:
    """Build a layer of plain numbers: the layer's parameters by the operator's names for them."""
    return lambda arguments: kind(**{ours: arguments[theirs] for ours, theirs in names.items()})


_CONVOLUTIONS: Mapping[int, Callable[..., nn.Module]] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
_TRANSPOSED: Mapping[int, Callable[..., nn.Module]] = {
    3: nn.ConvTranspose1d,
    4: nn.ConvTranspose2d,
    5: nn.ConvTranspose3d,
}
_AVERAGE = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_MAX = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

_LAYERS: Mapping[str, Callable[[Arguments], nn.Module | None]] = {
    "_convolution": _convolution,
    "_convolution_mode": _convolution,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "relu": _plain(nn.ReLU),
    "relu6": _plain(nn.ReLU6),
    "hardtanh": _hardtanh,
    "elu": _elu,
    "celu": _plain(nn.CELU, alpha="alpha"),
    "selu": _plain(nn.SELU),
    "gelu": _plain(nn.GELU, approximate="approximate"),
    "silu": _plain(nn.SiLU),
    "mish": _plain(nn.Mish),
    "leaky_relu": _plain(nn.LeakyReLU, negative_slope="negative_slope"),
    "prelu": _prelu,
    "hardswish": _plain(nn.Hardswish),
    "hardsigmoid": _plain(nn.Hardsigmoid),
    "sigmoid": _plain(nn.Sigmoid),
    "log_sigmoid": _plain(nn.LogSigmoid),
    "tanh": _plain(nn.Tanh),
    "softplus": _plain(nn.Softplus, beta="beta", threshold="threshold"),
    "softmax": _softmax,
    "max_pool1d": _pooling(nn.MaxPool1d, *_MAX),
    "max_pool2d": _pooling(nn.MaxPool2d, *_MAX),
    "avg_pool1d": _pooling(nn.AvgPool1d, *_AVERAGE),
    "avg_pool2d": _pooling(nn.AvgPool2d, *_AVERAGE, "divisor_override"),
    "adaptive_avg_pool1d": _adaptive(nn.AdaptiveAvgPool1d),
    "adaptive_avg_pool2d": _adaptive(nn.AdaptiveAvgPool2d),
    "adaptive_max_pool2d": _adaptive(nn.AdaptiveMaxPool2d),
}
