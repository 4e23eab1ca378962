"""GDCM in a process of its own.

GDCM is needed for lossless JPEG and JPEG-LS, which much of radiography is compressed with, and it ends the whole
process on some damaged streams: by a segmentation fault or an exception that nothing can catch. So it runs
where nothing else does. The process is started at the first such image and serves until its owner ends.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import struct
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

__all__ = ["decode"]

_SECONDS = 60.0
"""Longest wait for one image."""
_OPTIONS = {
    "rows": "Rows",
    "columns": "Columns",
    "samples_per_pixel": "SamplesPerPixel",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "pixel_representation": "PixelRepresentation",
}


def decode(dataset: Dataset) -> tuple[NDArray[Any], str]:
    """Decode the one frame of a data set in the other process.

    Parameters
    ----------
    dataset : Dataset
        Describes its pixels and holds them, encapsulated.

    Returns
    -------
    tuple of ndarray and str
        Stored values, and the photometric interpretation that they have now.

    Raises
    ------
    ValueError
        If they cannot be decoded, for whatever reason.
    """
    description = {
        "syntax": str(dataset.file_meta.TransferSyntaxUID),
        "photometric_interpretation": str(dataset.PhotometricInterpretation),
        "planar_configuration": int(dataset.get("PlanarConfiguration") or 0),
        **{option: int(dataset[keyword].value) for option, keyword in _OPTIONS.items()},
    }
    answer, values = _PROCESS.ask(json.dumps(description).encode(), bytes(dataset.PixelData))
    result = json.loads(answer)
    if not result:
        raise ValueError("not decodable")
    array = np.frombuffer(values, np.dtype(result["type"])).reshape(result["shape"])
    return array, str(result["photometric_interpretation"])


class _Process:
    """The other process: started when needed, and again after a crash or a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, *parts: bytes) -> list[bytes]:
        """Send byte strings, receive as many."""
        with self._lock:
            process = self._running()
            try:
                return self._exchange(process, parts)
            except (OSError, struct.error, TimeoutError):
                self.stop()
                raise ValueError("the decoder failed") from None

    def stop(self) -> None:
        """End the process, if this one started it."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        self.stop()
        self._owner = os.getpid()
        # Inside Triton's Python backend there may be no executable to name.
        python = sys.executable or shutil.which("python3") or "python3"
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [python, "-m", f"{__package__}.gdcm_worker"],
            cwd=os.sep,  # `-m` looks for modules there first; in the caller's folder there may be anybody's
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # GDCM tells there what it dislikes about a file
        )
        return self._process

    @staticmethod
    def _exchange(process: subprocess.Popen[bytes], parts: tuple[bytes, ...]) -> list[bytes]:
        if process.stdin is None or process.stdout is None:
            raise OSError
        for part in parts:
            view = memoryview(struct.pack("<Q", len(part)) + part)
            while view:
                view = view[process.stdin.write(view) :]
        deadline = time.monotonic() + _SECONDS
        pipe = process.stdout.fileno()

        def read(count: int) -> bytes:
            received = bytearray()
            while len(received) < count:
                if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError
                piece = os.read(pipe, min(count - len(received), 1 << 20))
                if not piece:
                    raise OSError
                received += piece
            return bytes(received)

        return [read(struct.unpack("<Q", read(8))[0]) for _ in parts]


_PROCESS = _Process()
atexit.register(_PROCESS.stop)
