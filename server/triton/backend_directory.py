"""Assemble the folder in which the embedded Triton looks for its backends."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from .binary import TritonBinary

PYTHON_WRITTEN = ("onnxruntime", "pytorch")
"""Backends that are a `model.py` of ours, which Triton runs with its Python backend."""


def assemble(binary: TritonBinary, folder: Path) -> None:
    """Write the backend folder; replaces one that is there.

    Parameters
    ----------
    binary
        Where the wheel's parts are.
    folder
        What to give to Triton as `--backend-directory`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / "python"
    python.mkdir(parents=True)
    # Triton looks for the stub beside the library, where the wheel does not put it. Copies, not links: installers
    # lose the run bit, and a site-packages that belongs to another user cannot be given it.
    for part in (*binary.python_backend.glob("*.so"), *binary.python_backend.glob("*.py"), binary.stub):
        shutil.copyfile(part, python / part.name)
    (python / binary.stub.name).chmod(0o700)
    for name in PYTHON_WRITTEN:
        (folder / name).mkdir()
        source = resources.files(__package__) / "backends" / name / "model.py"
        (folder / name / "model.py").write_bytes(source.read_bytes())
