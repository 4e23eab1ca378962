"""From a file or a module to the network that a method explains."""

from __future__ import annotations

import copy
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import torch

from ...handlers.card import InputSpec, ModelCard, load_card
from ...handlers.lifting import NotLiftable, check_fidelity, lift
from ...handlers.torchscript import load_torchscript
from ..contract import Method, Need, Parameters, Precision
from ..errors import NotApplicable
from ..explainable import ExplainableNetwork
from ..reduced import ReducedNetwork

__all__ = ["NetworkSource", "OpenNetwork", "explainable", "lifted", "open_network", "reduced"]

NetworkSource = Union[str, "os.PathLike[str]", torch.nn.Module]
"""A TorchScript file, a version folder of a model repository, a TorchScript module or an ordinary module."""


@dataclass(frozen=True, eq=False)
class OpenNetwork:
    """A network, and its card where there is one.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    card : ModelCard or None
        What its model card says.
    """

    module: torch.nn.Module
    card: ModelCard | None = None


def open_network(source: NetworkSource) -> OpenNetwork:
    """Load a network from its file, and read the model card beside it; a module is taken as it is.

    Raises
    ------
    CardError
        If the card is not valid.
    RepositoryError
        If the file is not the one that the card describes, or not TorchScript.
    OSError, RuntimeError
        If a file without a card cannot be read.
    """
    if isinstance(source, torch.nn.Module):
        return OpenNetwork(source)
    path = Path(source)
    path = path / "model.pt" if path.is_dir() else path
    if (path.parent / "card.json").is_file() and path.name == "model.pt":
        card = load_card(path.parent / "card.json")
        if "model.pt" in card.files:
            with _torchscript_is_deprecated():
                return OpenNetwork(load_torchscript(path, card.files["model.pt"]), card)
    with _torchscript_is_deprecated():
        return OpenNetwork(torch.jit.load(str(path), map_location="cpu"))  # type: ignore[no-untyped-call]


def explainable(
    network: torch.nn.Module, method: Method[Any], params: Parameters, example: torch.Tensor, spec: InputSpec
) -> torch.nn.Module:
    """Return a network in the form in which the server hands it to a method, but never folded.

    An ordinary module is traced, in evaluation mode and without gradients of its weights; a method that needs modules
    gets the lifted network. Folding would change a map by rounding alone. The given network is never changed.

    Parameters
    ----------
    network : torch.nn.Module
        A TorchScript or an ordinary module: [N, C, H, W] to logits [N, L].
    method : Method
        Who explains it.
    params : Parameters
        With which parameters: what it needs may depend on them.
    example : torch.Tensor
        What the network sees, [N, C, H, W].
    spec : InputSpec
        What it expects to see.

    Raises
    ------
    NotApplicable
        If the method needs modules and the network cannot be lifted faithfully.
    """
    if Need.MODULES in method.needs_of(params):
        return lifted(network, example, spec)
    return _script(network, example)


def lifted(network: torch.nn.Module, example: torch.Tensor, spec: InputSpec) -> torch.fx.GraphModule:
    """Return the lifted form of a network, which is not changed.

    Parameters
    ----------
    network : torch.nn.Module
        A TorchScript or an ordinary module: [N, C, H, W] to logits [N, L].
    example : torch.Tensor
        What the network sees, [N, C, H, W].
    spec : InputSpec
        What it expects to see.

    Raises
    ------
    NotApplicable
        If it cannot be lifted faithfully.
    """
    script = _script(network, example)
    try:
        form = lift(script)
        height, width = example.shape[-2:]
        check_fidelity(form, script, spec, size=(height, width))
    except NotLiftable as error:
        raise NotApplicable(f"the network {error}") from error
    return form


def reduced(network: torch.nn.Module, example: torch.Tensor, spec: InputSpec) -> ReducedNetwork:
    """Return a network, which is not changed, in bfloat16; parameters as of `lifted`."""
    forms = ExplainableNetwork(_script(network, example), spec).at(Precision.BFLOAT16)
    assert isinstance(forms, ReducedNetwork)  # noqa: S101 - as asked for
    return forms


def _script(network: torch.nn.Module, example: torch.Tensor) -> torch.jit.ScriptModule:
    # A copy: evaluation mode and frozen weights are wanted here, and perhaps not where it comes from.
    with _torchscript_is_deprecated():
        own = _reloaded(network) if isinstance(network, torch.jit.ScriptModule) else copy.deepcopy(network).to("cpu")
        own.eval()
        for parameter in own.parameters():
            parameter.requires_grad_(False)
        if isinstance(own, torch.jit.ScriptModule):
            return own
        # Two samples, so that no operator takes the size of the batch for a constant.
        batch = example.detach()[:1].repeat(2, 1, 1, 1)
        with torch.no_grad():
            traced: torch.jit.ScriptModule = torch.jit.trace(own, batch)  # type: ignore[no-untyped-call]
        return _reloaded(traced)


def _reloaded(script: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    # As from its file: a fresh trace still takes hooks, and copy.deepcopy turns weights into results of an operation.
    file = io.BytesIO()
    torch.jit.save(script, file)
    file.seek(0)
    loaded: torch.jit.ScriptModule = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
    return loaded


@contextmanager
def _torchscript_is_deprecated() -> Iterator[None]:
    """TorchScript is deprecated without a successor that can be explained; an author can do nothing about it."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)", category)
        yield
