"""Where the image's signal runs in a lifted network, and what the operators on its way do to it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx

__all__ = ["AFFINE_OPERATORS", "PRODUCTS", "operator_name", "signal"]

AFFINE_OPERATORS = {
    "getitem",
    "add", "sub", "rsub", "neg", "cat", "stack", "sum", "mean", "flatten", "unflatten", "view", "reshape", "permute",
    "transpose", "t", "squeeze", "unsqueeze", "expand", "expand_as", "contiguous", "clone", "slice", "select", "narrow",
    "chunk", "split", "unbind", "pad", "constant_pad_nd", "to", "_to_copy", "roll", "flip", "upsample_bilinear2d",
    "upsample_nearest2d", "pixel_shuffle", "channel_shuffle", "alias", "index_select",
}  # fmt: skip
PRODUCTS = {"mul", "div", "matmul", "bmm", "mm", "linear", "addmm", "_convolution", "conv2d", "einsum"}
"""Affine while only one of their operands depends on the image; of a division, the first."""
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


def operator_name(node: fx.Node) -> str:
    """Return an operator's name without its namespace and overload, such as ``mul``."""
    return str(getattr(node.target, "__name__", node.target)).rpartition(".")[2]
