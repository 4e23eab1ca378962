"""One network in three forms, and the proof that they are the same function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.checker
import onnx.helper
import onnx.numpy_helper
import onnxruntime
import torch
from numpy.typing import NDArray

from ..handlers.card import InputSpec, Parity
from ..handlers.image import XRay
from ..handlers.preprocess import preprocess
from .errors import ExportError
from .phantoms import draw_phantom

__all__ = [
    "BATCHES",
    "TOLERANCE",
    "example",
    "measure_parity",
    "quiet_torchscript",
    "save_torchscript",
    "trace_network",
    "write_onnx",
]

BATCHES = (1, 3)
"""Batch sizes that are compared: one, and one that no exporter has seen."""

TOLERANCE = 1e-4
"""Largest difference of logits, absolute, or relative to the largest logit where that is over 1."""


_DEPRECATIONS = (
    r"`torch\.jit.*` is (deprecated|not supported)",
    ".*legacy TorchScript-based ONNX export",
    "The feature will be removed",
)


@contextmanager
def quiet_torchscript() -> Iterator[None]:
    """Silence the deprecations of TorchScript and its ONNX exporter and their remark on scripts, and nothing else.

    It is the one format of weights that loads without code and can be explained; torch has no successor for it yet.
    """
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            for message in _DEPRECATIONS:
                warnings.filterwarnings("ignore", message=message, category=category)
        warnings.filterwarnings("ignore", message="no signature found", category=UserWarning)
        yield


def example(spec: InputSpec, batch: int) -> torch.Tensor:
    """Make images to compare on: chest phantoms, since noise drives networks to where float32 runs out of digits."""
    xrays = (XRay(film.astype(np.float32) / np.float32(255), "png") for film in _films(batch))
    return torch.from_numpy(np.stack([preprocess(xray, spec).tensor for xray in xrays]))


@cache
def _films(batch: int) -> tuple[NDArray[np.uint8], ...]:
    """Draw them once for all networks."""
    return tuple(draw_phantom(batch, index).pixels for index in range(batch))


def trace_network(network: torch.nn.Module, spec: InputSpec, *, check: bool = True) -> torch.jit.ScriptModule:
    """Trace the logits-only TorchScript copy.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, float32.
    spec : InputSpec
        Its input.
    check : bool
        Whether to trace it again and compare; needless where `measure_parity` follows, which compares other images.
    """
    with torch.no_grad(), quiet_torchscript():
        traced: torch.jit.ScriptModule = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, example(spec, 2), check_trace=check
        )
    return traced


def save_torchscript(traced: torch.jit.ScriptModule, path: Path) -> None:
    """Write the copy that is explained."""
    with quiet_torchscript():
        torch.jit.save(traced, str(path))


def write_onnx(traced: torch.jit.ScriptModule, spec: InputSpec, version: int, path: Path) -> None:
    """Write the copy that Triton serves, in one file: INPUT to LOGITS and VERSION, any batch, height and width.

    The graph comes from the very trace that becomes ``model.pt``, through torch's TorchScript exporter: 4 s for the
    five networks, where the newer exporter took 60 s with free height and width (25 s without), and has a trace of
    its own to disagree with.
    """
    free = {0: "batch", 2: "height", 3: "width"}
    with quiet_torchscript():
        torch.onnx.export(
            traced,
            (example(spec, 2),),
            str(path),
            dynamo=False,
            input_names=["INPUT"],
            output_names=["LOGITS"],
            dynamic_axes={"INPUT": free, "LOGITS": {0: "batch"}},
        )
    model = onnx.load(path)
    _add_version(model.graph, version)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _add_version(graph: onnx.GraphProto, version: int) -> None:
    """Add the output VERSION, int64 ``[batch, 1]``: an answer can then prove which version gave it."""
    constants = {"version": [[version]], "version_first": [0], "version_one": [1]}
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value, dtype=np.int64), name) for name, value in constants.items()
    )
    node = onnx.helper.make_node
    graph.node.extend(
        (
            node("Shape", ["INPUT"], ["version_input_shape"]),
            node("Gather", ["version_input_shape", "version_first"], ["version_batch"]),
            node("Concat", ["version_batch", "version_one"], ["version_shape"], axis=0),
            node("Expand", ["version", "version_shape"], ["VERSION"]),
        )
    )
    output = onnx.helper.make_tensor_value_info("VERSION", onnx.TensorProto.INT64, ["batch", 1])
    graph.output.append(output)


def measure_parity(
    network: Callable[[torch.Tensor], torch.Tensor] | None,
    torchscript: Path,
    onnx_file: Path | None,
    spec: InputSpec,
    version: int,
) -> Parity:
    """Compare the files that were written with the eager network, or, where there is none, with the TorchScript copy.

    Raises
    ------
    ExportError
        If they differ by more than `TOLERANCE`, do not run, or the graph does not name its version.
    """
    with quiet_torchscript():
        script = torch.jit.load(str(torchscript))  # type: ignore[no-untyped-call]
    script.eval()
    session = _session(onnx_file)
    largest = {"TorchScript": 0.0, "ONNX": 0.0}
    for batch in BATCHES:
        image = example(spec, batch)
        # As the explanation workers run it; the optimising executor would compile for minutes what runs twice here.
        with torch.no_grad(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            copies = {"TorchScript": script(image).numpy()}
            truth = copies["TorchScript"] if network is None else network(image).numpy()
        if session is not None:
            copies["ONNX"], versions = session.run(["LOGITS", "VERSION"], {"INPUT": image.numpy()})
            if versions.shape != (batch, 1) or not (versions == version).all():
                raise ExportError(f"the ONNX graph says version {versions.tolist()} instead of {version}")
        for form, logits in copies.items():
            largest[form] = max(largest[form], _difference(form, logits, truth, batch))
    return Parity(
        torchscript_max_abs=None if network is None else largest["TorchScript"],
        onnx_max_abs=None if session is None else largest["ONNX"],
        batches=BATCHES,
    )


def _session(path: Path | None) -> Any:  # noqa: ANN401 - onnxruntime is untyped
    if path is None:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _difference(form: str, logits: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], batch: int) -> float:
    if logits.shape != truth.shape or not np.isfinite(truth).all() or not np.isfinite(logits).all():
        raise ExportError(f"{form}, batch {batch}: logits {logits.shape} are not finite or not {truth.shape}")
    difference = float(np.abs(logits - truth).max())
    limit = TOLERANCE * max(1.0, float(np.abs(truth).max()))
    if difference > limit:
        raise ExportError(
            f"{form}, batch {batch}: logits differ from the network's by {difference:.3g} (limit {limit:.3g})"
        )
    return difference
