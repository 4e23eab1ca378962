"""The same network in fewer operations, for methods that look at no layer."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..out_of_memory import ran_out
from .channels_last import channels_last
from .errors import NotLiftable
from .first_convolution import replace_first
from .joins import nest_joins
from .layers import BatchNorm

__all__ = ["fold"]


def fold(lifted: fx.GraphModule) -> fx.GraphModule:
    """Rebuild a lifted network so that it needs fewer operations for the same outputs and input gradients.

    - A batch normalisation, or a factor, goes into the weights of the convolution before it.
    - A convolution of single pixels goes after the average pooling that follows it: fewer pixels are left there. Not
      the last one: the last feature maps before the pooling stay as they are.
    - A ReLU goes after the maximum pooling that follows it, for the same reason.
    - A concatenation that begins with all of an earlier one goes on from that.
    - No non-linearity gets a clone any more, and a ReLU overwrites its input where nothing else reads that.
    - Weights of convolutions lie channels-last, so what they compute does too.
    - A convolution of few channels finds its gradient as `FirstConvolution` does.

    In exact arithmetic nothing changes. In float32 sums are rounded in another order, which moves outputs by some 1e-7
    of the largest, and puts a unit that is next to zero on the other side of a ReLU's kink: its gradient is switched.
    So a gradient at a single point may be another at some pixels; a mean over many points hardly is.

    Parameters
    ----------
    lifted : torch.fx.GraphModule
        What `lift` made. Neither it nor its weights are changed.

    Returns
    -------
    torch.fx.GraphModule
        In evaluation mode. Its convolutions have weights of their own; all others are shared with `lifted`.

    Raises
    ------
    NotLiftable
        If something in its graph is not as it should be.
    """
    tensors = [*lifted.parameters(), *lifted.buffers()]
    folded: fx.GraphModule = copy.deepcopy(lifted, {id(tensor): tensor for tensor in tensors})
    try:
        for step in (_drop_clones, nest_joins, _fold_normalisations, _fold_factors, _pool_early, _overwrite, _lay_out):
            step(folded)
        folded.graph.eliminate_dead_code()
        folded.graph.lint()
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError) as error:
        if ran_out(error):
            raise
        raise NotLiftable(f"cannot be folded ({type(error).__name__})") from error
    folded.recompile()
    folded.delete_all_unused_submodules()
    return folded


def _drop_clones(network: fx.GraphModule) -> None:
    for node in network.graph.nodes:
        if node.target is torch.clone:
            _replace(node, node.args[0])


def _fold_normalisations(network: fx.GraphModule) -> None:
    for node in network.graph.nodes:
        norm, source = _layer(network, node), _source(node)
        if not isinstance(norm, BatchNorm) or not isinstance(conv := _own_convolution(network, source), nn.Conv2d):
            continue
        given = (conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        # In double precision, so that every folded weight is rounded once.
        exact = [one.double() if isinstance(one, torch.Tensor) else one for one in given]
        _reweigh(conv, *fuse_conv_bn_weights(*exact))  # type: ignore[arg-type]
        _replace(node, source)


def _fold_factors(network: fx.GraphModule) -> None:
    for node in network.graph.nodes:
        if node.target is not torch.ops.aten.mul or (factor := _number(network, node.args[1])) is None:
            continue
        source = _source(node)
        if isinstance(conv := _own_convolution(network, source), nn.Conv2d):
            bias = None if conv.bias is None else conv.bias.double() * factor
            _reweigh(conv, conv.weight.double() * factor, bias)
            _replace(node, source)


def _pool_early(network: fx.GraphModule) -> None:
    """Let a pooling change places with the layer before it, where they commute."""
    for node in network.graph.nodes:
        pooling, source = _layer(network, node), _source(node)
        before = _layer(network, source)
        if source is None or len(source.users) > 1 or not _commute(before, pooling):
            continue
        if isinstance(before, nn.Conv2d) and not _any_behind(network, node, nn.Conv2d):
            continue
        origin = _source(source)
        if origin is not None:
            node.replace_all_uses_with(source)
            node.replace_input_with(source, origin)
            source.replace_input_with(origin, node)
            node.append(source)


def _any_behind(network: fx.GraphModule, node: fx.Node, kind: type[nn.Module]) -> bool:
    """Tell whether a layer of a kind comes after a node."""
    reached = {node}
    for later in network.graph.nodes:
        if not reached.isdisjoint(later.all_input_nodes):
            if isinstance(_layer(network, later), kind):
                return True
            reached.add(later)
    return False


def _commute(before: nn.Module | None, pooling: nn.Module | None) -> bool:
    if isinstance(pooling, nn.MaxPool2d):
        return isinstance(before, nn.ReLU)
    if isinstance(pooling, nn.AvgPool2d) and isinstance(before, nn.Conv2d):
        pixelwise = before.kernel_size == before.stride == (1, 1) and before.padding in ((0, 0), "valid", "same")
        # With padding, the bias would count where there is no pixel.
        whole = pooling.padding in (0, (0, 0)) and not pooling.ceil_mode and pooling.divisor_override is None
        return pixelwise and whole and pooling.stride not in (1, (1, 1))
    return False


def _overwrite(network: fx.GraphModule) -> None:
    """Let a ReLU write into its input, where the latter is new and neither read again nor kept for the gradient."""
    for node in network.graph.nodes:
        relu, source = _layer(network, node), _source(node)
        if isinstance(relu, nn.ReLU) and source is not None and len(source.users) == 1:
            made_by = _layer(network, source)
            relu.inplace = isinstance(made_by, (nn.Conv2d, nn.Linear, nn.MaxPool2d, BatchNorm)) or source.target in _NEW


_NEW = (torch.ops.aten.add, torch.ops.aten.cat)
"""Operators whose output is a tensor of its own, and of no use for the gradient."""


def _lay_out(network: fx.GraphModule) -> None:
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d):
            layer.weight = nn.Parameter(channels_last(layer.weight), requires_grad=False)
            replace_first(network, name)


def _layer(network: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node is not None and node.op == "call_module" else None


def _source(node: fx.Node) -> fx.Node | None:
    """Return the node whose output is a node's first argument."""
    return node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None


def _number(network: fx.GraphModule, value: object) -> float | None:
    """Return a number of the graph; traces keep it as a tensor without dimensions."""
    if isinstance(value, fx.Node) and value.op == "get_attr":
        value = getattr(network, str(value.target))
    if isinstance(value, torch.Tensor):
        return float(value) if value.ndim == 0 and value.is_floating_point() else None
    return float(value) if isinstance(value, (int, float)) else None


def _own_convolution(network: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    """Return the convolution that a node calls, if its output is read only once."""
    return _layer(network, node) if node is not None and len(node.users) == 1 else None


def _reweigh(conv: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    conv.weight = nn.Parameter(weight.detach().to(conv.weight.dtype), requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias.detach().to(conv.weight.dtype), requires_grad=False)


def _replace(node: fx.Node, by: Any) -> None:  # noqa: ANN401 - an argument of a node
    node.replace_all_uses_with(by)
    node.graph.erase_node(node)
