"""Where the image's signal runs in a lifted network, and what the operators on its way do to it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx, nn

__all__ = ["AFFINE_OPERATORS", "PRODUCTS", "not_affine", "operator_name", "signal"]

AFFINE_OPERATORS = {
    "getitem",
    "add", "sub", "rsub", "neg", "cat", "stack", "sum", "mean", "flatten", "unflatten", "view", "reshape", "permute",
    "transpose", "t", "squeeze", "unsqueeze", "expand", "expand_as", "contiguous", "clone", "slice", "select", "narrow",
    "chunk", "split", "unbind", "pad", "constant_pad_nd", "to", "_to_copy", "roll", "flip", "upsample_bilinear2d",
    "upsample_nearest2d", "pixel_shuffle", "channel_shuffle", "alias", "index_select",
}  # fmt: skip
PRODUCTS = {"mul", "div", "matmul", "bmm", "mm", "linear", "addmm", "_convolution", "conv2d", "einsum"}
"""Affine while only one of their operands depends on the image; of a division, the first."""
_AFFINE_LAYERS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.BatchNorm2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
)
_SHAPES = {"size", "Int", "NumToTensor", "floor_divide", "ScalarImplicit", "len"}
"""What these give says how large the signal is, not what it is."""


def signal(network: fx.GraphModule) -> Iterator[tuple[fx.Node, list[fx.Node]]]:
    """Walk along the signal.

    Parameters
    ----------
    network : torch.fx.GraphModule
        A lifted network.

    Yields
    ------
    torch.fx.Node
        Each layer and operator that depends on the image, in the order of the computation.
    list of torch.fx.Node
        Its operands that do, as often as it takes them: a product of a signal with itself has two.
    """
    on_way: set[fx.Node] = set()
    for node in network.graph.nodes:
        if node.op == "placeholder":
            on_way.add(node)
        elif node.op in ("call_module", "call_function"):
            operands: list[fx.Node] = []
            fx.map_arg((node.args, node.kwargs), operands.append)
            operands = [operand for operand in operands if operand in on_way]
            if operands and operator_name(node) not in _SHAPES:
                on_way.add(node)
                yield node, operands


def not_affine(network: fx.GraphModule) -> Iterator[tuple[fx.Node, str]]:
    """Find what bends the signal.

    Parameters
    ----------
    network : torch.fx.GraphModule
        A lifted network.

    Yields
    ------
    torch.fx.Node
        A layer or operator that is no affine function of its operands on the way, in the order of the computation.
    str
        A layer's kind and name, or an operator's name.
    """
    for node, operands in signal(network):
        name = operator_name(node)
        if node.op == "call_module":
            layer = network.get_submodule(str(node.target))
            if not isinstance(layer, _AFFINE_LAYERS):
                yield node, f"{type(layer).__name__} ({node.target})"
        elif name in PRODUCTS:
            if len(operands) > 1 or (name == "div" and operands[0] is not node.args[0]):
                yield node, f"a product of two parts that both depend on the image (aten::{name})"
        elif name not in AFFINE_OPERATORS:
            yield node, f"aten::{name}"


def operator_name(node: fx.Node) -> str:
    """Return an operator's name without its namespace and overload, such as ``mul``."""
    return str(getattr(node.target, "__name__", node.target)).rpartition(".")[2]
