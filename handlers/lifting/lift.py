"""From the graph of a TorchScript module to a `torch.fx` module of layers."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import fx, nn

from ..out_of_memory import ran_out
from .errors import NotLiftable
from .layers import NON_LINEAR, layer_of

__all__ = ["lift"]

_Value: TypeAlias = Any
"""A value of the graph: a submodule, a number, a list, a tensor of weights; an `fx.Node` where the image matters."""

_DROPOUTS = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}


def lift(script: torch.jit.ScriptModule) -> fx.GraphModule:
    """Rebuild a traced network out of layers.

    Every convolution, linear layer, normalisation, non-linearity and pooling is a module of `torch.nn` of its own,
    under the name it had (``layer1.0.conv1``), used once and sharing the weights of the original; non-linearities and
    poolings are fed a clone. All else are out-of-place operators of ``torch.ops.aten``. So hooks see every layer, each
    exactly once, and none of them the tensor of another; Captum's and zennit's methods rely on that.

    Parameters
    ----------
    script : torch.jit.ScriptModule
        A trace in evaluation mode, as `torch.jit.load` gives it.

    Returns
    -------
    torch.fx.GraphModule
        In evaluation mode; computes what `script` computes, for any size of batch that `script` takes.
        `check_fidelity` proves it.

    Raises
    ------
    NotLiftable
        If the graph has control flow, or something in it has no out-of-place form.
    """
    lifter = _Lifter()
    image = lifter.graph.placeholder("image")
    try:
        output = lifter.call(script, "forward", "", [image])
    except NotLiftable:
        raise
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError) as error:
        if ran_out(error):
            raise
        raise NotLiftable(f"has a graph that is not understood ({type(error).__name__})") from error
    if not isinstance(output, fx.Node):
        raise NotLiftable("does not answer with one tensor that depends on the image")
    lifter.graph.output(output)
    lifted = fx.GraphModule(lifter.root, lifter.graph)
    lifted.graph.eliminate_dead_code()
    lifted.recompile()
    lifted.delete_all_unused_submodules()
    lifted.eval()
    for parameter in lifted.parameters():
        parameter.requires_grad_(False)
    return lifted


class _Lifter:
    """Walks through the methods of a TorchScript module, and writes down what depends on the image."""

    def __init__(self) -> None:
        self.root = nn.Module()
        self.graph = fx.Graph()
        self._constants = 0

    def call(self, script: _Value, method: str, path: str, arguments: Sequence[_Value]) -> _Value:
        """Walk through one method of a (sub)module; return what it returns."""
        graph = script._c._get_method(method).graph
        values: dict[str, _Value] = {}
        paths: dict[str, str] = {}
        own, *inputs = graph.inputs()
        values[own.debugName()], paths[own.debugName()] = script, path
        for value, argument in zip(inputs, arguments, strict=True):
            values[value.debugName()] = argument
        nodes = list(graph.nodes())
        alone = sum(_computes(node) for node in nodes) == 1

        for node in nodes:
            kind = node.kind()
            given = [values[value.debugName()] for value in node.inputs()]
            outputs = [value.debugName() for value in node.outputs()]
            if kind == "prim::GetAttr":
                owner = next(iter(node.inputs())).debugName()
                values[outputs[0]] = getattr(given[0], node.s("name"))
                paths[outputs[0]] = f"{paths[owner]}.{node.s('name')}".lstrip(".")
            elif kind == "prim::CallMethod":
                owner = next(iter(node.inputs())).debugName()
                values[outputs[0]] = self.call(given[0], node.s("name"), paths[owner], given[1:])
            elif kind in ("prim::ListUnpack", "prim::TupleUnpack"):
                for position, name in enumerate(outputs):
                    values[name] = self._item(given[0], position)
            else:
                result = self._compute(node, given, path, alone=alone)
                for name in outputs:  # one, or none
                    values[name] = result
        results = [values[value.debugName()] for value in graph.outputs()]
        return results[0] if len(results) == 1 else tuple(results)

    def _compute(self, node: torch._C.Node, given: list[_Value], path: str, *, alone: bool) -> _Value:
        kind: str = node.kind()
        if kind == "prim::Constant":
            return next(iter(node.outputs())).toIValue()
        if kind == "prim::ListConstruct":
            return list(given)
        if kind == "prim::TupleConstruct":
            return tuple(given)
        if any(True for _ in node.blocks()):
            raise NotLiftable("has control flow (was scripted rather than traced)")
        namespace, _, name = kind.partition("::")
        if name.endswith("_") and not name.endswith("__"):
            # The output of an in-place operator stands for its input from then on, so nothing looks back at the latter.
            name = name.rstrip("_")
        target = getattr(getattr(torch.ops, namespace), name, None)
        if target is None:
            raise NotLiftable(f"uses the operator {kind}, which has no out-of-place form")
        schema = torch._C.parse_schema(node.schema())
        by_name = {argument.name: value for argument, value in zip(schema.arguments, given, strict=True)}
        if name in _DROPOUTS:
            if by_name["train"]:
                raise NotLiftable("was traced in training mode: a dropout is on")
            return given[0]
        layer = layer_of(name, by_name)
        if layer is not None:
            return self._layer(layer, path if alone and path else f"{path}.{name.strip('_')}".lstrip("."), given[0])

        keywords = {one.name: by_name.pop(one.name) for one in schema.arguments if one.kwarg_only}
        if not any(_nodes([*by_name.values(), *keywords.values()])):
            return target(*by_name.values(), **keywords)
        return self.graph.call_function(
            target, tuple(map(self._argument, by_name.values())), {k: self._argument(v) for k, v in keywords.items()}
        )

    def _layer(self, layer: nn.Module, path: str, value: fx.Node) -> fx.Node:
        if isinstance(layer, NON_LINEAR):
            value = self.graph.call_function(torch.clone, (value,))
        name = self._free_name(path)
        parent, _, leaf = name.rpartition(".")
        owner = self.root
        for part in parent.split(".") if parent else ():
            if not hasattr(owner, part):
                owner.add_module(part, nn.Module())
            owner = getattr(owner, part)
        owner.add_module(leaf, layer)
        return self.graph.call_module(name, (value,))

    def _free_name(self, path: str) -> str:
        """Return a path of its own for each use of a module: ``relu``, ``relu_1``."""
        name, use = path, 0
        while _has(self.root, name):
            use += 1
            name = f"{path}_{use}"
        return name

    def _argument(self, value: _Value) -> _Value:
        """Make a value fit to be an argument in the graph: tensors become buffers of the lifted module."""
        if isinstance(value, torch.Tensor):
            name = f"constant_{self._constants}"
            self._constants += 1
            self.root.register_buffer(name, value.detach())
            return self.graph.get_attr(name)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._argument, value))
        return value

    def _item(self, value: _Value, position: int) -> _Value:
        if isinstance(value, fx.Node):
            return self.graph.call_function(operator.getitem, (value, position))
        return value[position]


def _computes(node: torch._C.Node) -> bool:
    """Whether a node computes something of its own, or calls a submodule that may."""
    kind: str = node.kind()
    return kind == "prim::CallMethod" or kind.startswith("aten::")


def _nodes(values: Iterable[_Value]) -> Iterable[fx.Node]:
    for value in values:
        if isinstance(value, fx.Node):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _nodes(value)


def _has(module: nn.Module, path: str) -> bool:
    for part in path.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True
