"""Loading the TorchScript copy of a network."""

from __future__ import annotations

from pathlib import Path

import torch

from .errors import RepositoryError
from .out_of_memory import ran_out
from .repository.checksum import sha256

__all__ = ["device_of", "load_torchscript"]


def load_torchscript(path: Path, checksum: str, *, device: str = "cpu") -> torch.jit.ScriptModule:
    """Load a network's TorchScript copy: in evaluation mode, its weights without gradients.

    The checksum is compared before torch sees the file.

    Parameters
    ----------
    path : Path
        The ``model.pt``.
    checksum : str
        Its SHA-256, from the model card.
    device : str
        Where to load it to.

    Returns
    -------
    torch.jit.ScriptModule
        Maps ``[batch, channels, height, width]`` to logits ``[batch, labels]``. Gradients flow to its input.

    Raises
    ------
    RepositoryError
        If the file is missing, altered or not a TorchScript module.
    """
    if sha256(path) != checksum:
        raise RepositoryError(path, "is not the file that the card describes (checksum differs)")
    try:
        module: torch.jit.ScriptModule = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        if ran_out(error):
            raise
        raise RepositoryError(path, "is not a TorchScript module") from error
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module


def device_of(network: torch.nn.Module) -> torch.device:
    """Return where a network's weights are; the processor, where it has none."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
