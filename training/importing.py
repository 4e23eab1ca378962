"""Bring a user's own network into the model repository.

An imported network is served and explained on its own: it is listed with the others under its name, and no model set
votes with it. Only networks that were exported together share labels and thresholds that were chosen for them.
"""

from __future__ import annotations

import pickle
from datetime import datetime, timezone
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from ..handlers.card import InputSpec, Label, ModelCard, Name, save_card
from ..handlers.repository import (
    FIVE_NETWORKS,
    Member,
    Repository,
    member_config,
    new_member_version,
    to_pbtxt,
)
from ..handlers.repository.checksum import sha256
from ..handlers.terminology import with_codes
from .errors import ExportError, ImportNetworkError, WrongArgument
from .export import library_versions
from .networks import NETWORKS, build_timm
from .parity import BATCHES, example, measure_parity, quiet_torchscript, save_torchscript, trace_network, write_onnx

__all__ = ["check_name", "import_timm", "import_torchscript"]

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def import_torchscript(
    repository: Repository,
    name: str,
    file: Path,
    *,
    labels: tuple[Label, ...],
    spec: InputSpec,
    title: str | None = None,
) -> ModelCard:
    """Import a TorchScript module that maps ``[batch, channels, size, size]`` to logits ``[batch, labels]``.

    Served by ONNX Runtime where it can be converted, else by Triton's PyTorch backend.

    Parameters
    ----------
    repository : Repository
        Where to; the next version of ``name`` is written.
    name : str
        In the repository; not one of the five or of the ensemble's parts.
    file : Path
        The module, as `torch.jit.save` writes it.
    labels : tuple of Label
        In the order of the logits.
    spec : InputSpec
        What it expects.
    title : str, optional
        As shown to people.

    Returns
    -------
    ModelCard
        What was written; its source is ``imported``.

    Raises
    ------
    ImportNetworkError
        If it is no such module. Nothing is written then.
    RepositoryError
        If the repository cannot be written.
    """
    check_name(name)
    try:
        with quiet_torchscript():
            script = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ImportNetworkError(f"{file}: not a TorchScript module that this torch can load") from error
    return _write(repository, name, title, str(script.original_name), None, script.eval(), labels, spec)


def import_timm(
    repository: Repository,
    name: str,
    architecture: str,
    state_dict: Path,
    *,
    labels: tuple[Label, ...],
    spec: InputSpec,
    title: str | None = None,
) -> ModelCard:
    """Import weights of one of timm's networks; see `import_torchscript`.

    Parameters
    ----------
    repository, name, labels, spec, title
        See `import_torchscript`.
    architecture : str
        As timm names it.
    state_dict : Path
        Its weights, ``.pt``, ``.pth`` or ``.safetensors``. No code in it is run.
    """
    import timm

    check_name(name)
    if not timm.is_model(architecture):
        near = ", ".join(timm.list_models(f"*{architecture}*")[:8])
        raise ImportNetworkError(f"timm has no {architecture!r}" + (f"; it has {near}" if near else ""))
    network = NETWORKS.get(architecture)
    module = build_timm(
        architecture, labels=len(labels), channels=spec.channels, options=network.options if network else None
    )
    try:
        weights = timm.models.load_state_dict(str(state_dict), use_ema=False, device="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ImportNetworkError(f"{state_dict}: cannot be read as a state dict of plain tensors") from error
    # InceptionV3's auxiliary head is for training only.
    weights = {key: value for key, value in weights.items() if not key.startswith("AuxLogits.")}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        detail = "; ".join(line.strip()[:200] for line in str(error).splitlines()[1:3])
        raise ImportNetworkError(
            f"{state_dict}: not the weights of {architecture} with these labels: {detail}"
        ) from error
    module.eval()
    try:
        traced = trace_network(module, spec)
    except RuntimeError as error:
        raise ImportNetworkError(f"{architecture} does not run at {spec.size} pixels") from error
    return _write(repository, name, title, architecture, module, traced, labels, spec)


def check_name(name: str) -> None:
    """Refuse a name that cannot be a folder and a model of Triton, or is one of the ensemble's networks.

    Parameters
    ----------
    name : str
        As the user gives it.

    Raises
    ------
    ImportNetworkError, WrongArgument
        The text says what it may be.
    """
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise WrongArgument(
            f"the name {name[:40]!r} will not do: letters, digits, '_', '.' and '-', the first a letter or digit, "
            "100 at most"
        ) from None
    if name in FIVE_NETWORKS:
        raise ImportNetworkError(f"{name} is a network of the ensemble; choose another name for yours")


def _write(
    repository: Repository,
    name: str,
    title: str | None,
    architecture: str,
    network: torch.nn.Module | None,
    script: torch.jit.ScriptModule,
    labels: tuple[Label, ...],
    spec: InputSpec,
) -> ModelCard:
    _check_output(script, labels, spec)
    with new_member_version(repository, name) as (folder, version):
        save_torchscript(script, folder / "model.pt")
        onnx_file = folder / "model.onnx"
        try:
            write_onnx(script, spec, version, onnx_file)
            parity = measure_parity(network, folder / "model.pt", onnx_file, spec, version)
        except Exception:  # noqa: BLE001 - whatever the converter stumbles over, the TorchScript copy serves
            onnx_file.unlink(missing_ok=True)
            try:
                parity = measure_parity(network, folder / "model.pt", None, spec, version)
            except ExportError as error:
                raise ImportNetworkError(f"{name}: {error}") from error
        card = ModelCard(
            name=name,
            title=title or name,
            version=version,
            architecture=architecture,
            source="imported",
            labels=with_codes(labels),
            input=spec,
            parity=parity,
            files={file.name: sha256(file) for file in sorted(folder.glob("model.*"))},
            versions=library_versions(),
            created=datetime.now(timezone.utc),
        )
        save_card(card, folder / "card.json")
        config = repository.model_dir(name) / "config.pbtxt"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(to_pbtxt(member_config(Member(name, -1, card.backend, spec))), encoding="utf-8")
    return card


def _check_output(script: torch.jit.ScriptModule, labels: tuple[Label, ...], spec: InputSpec) -> None:
    for batch in BATCHES:
        try:
            with torch.no_grad():
                logits = script(example(spec, batch))
        except RuntimeError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise ImportNetworkError(
                f"does not run on [{batch}, {spec.channels}, {spec.size}, {spec.size}]: {lines[-1][:200]}"
            ) from error
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != (batch, len(labels)):
            shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise ImportNetworkError(f"answers {shape} where {len(labels)} labels need {(batch, len(labels))}")
