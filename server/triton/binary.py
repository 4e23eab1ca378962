"""Find the `tritonserver` that the nvidia-pytriton wheel carries, or say what to do instead."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .errors import TritonCannotRun

DISTRIBUTION = "nvidia-pytriton"
OLDEST_GLIBC = (2, 35)
PYTHONS = ((3, 10), (3, 11), (3, 12))
ELSEWHERE = (
    "Start NVIDIA's container (nvcr.io/nvidia/tritonserver, with `pip install radiolucent[handlers]` in it) on the "
    "model repository and use `--triton grpc://host:port`"
)


@dataclass(frozen=True)
class TritonBinary:
    """Where the parts of an embedded Triton lie.

    Attributes
    ----------
    executable
        The `tritonserver` program.
    python_backend
        Folder with `libtriton_python.so` and `triton_python_backend_utils.py`.
    stub
        The Python backend's host process for the running Python.
    library_path
        Folders for `LD_LIBRARY_PATH`: the wheel's libraries and the one with this Python's shared library.
    search_path
        Folder that must come first in `PATH`: the stub takes its environment from the first `python3` there.
    version
        Version of the wheel.
    """

    executable: Path
    python_backend: Path
    stub: Path
    library_path: tuple[Path, ...]
    search_path: Path
    version: str


def find_binary() -> TritonBinary:
    """Look for the embedded Triton without importing `pytriton`.

    Returns
    -------
    TritonBinary
        Every path checked to exist.

    Raises
    ------
    TritonCannotRun
        If this machine or this Python cannot run it; the message says what to do.
    """
    _check_platform()
    try:
        wheel = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise TritonCannotRun(f"{DISTRIBUTION} is not installed", "Run `pip install 'radiolucent[server]'`") from None
    site = Path(str(wheel.locate_file("")))
    triton = site / "pytriton" / "tritonserver"
    found = TritonBinary(
        executable=triton / "bin" / "tritonserver",
        python_backend=triton / "backends" / "python",
        stub=triton / "python_backend_stubs" / _python() / "triton_python_backend_stub",
        library_path=(site / "nvidia_pytriton.libs", _folder_of_libpython()),
        search_path=_folder_of_python3(),
        version=wheel.version,
    )
    for part in (found.executable, found.python_backend / "libtriton_python.so", found.stub, found.library_path[0]):
        if not part.exists():
            raise TritonCannotRun(
                f"{DISTRIBUTION} {wheel.version} has no {part.name} for Python {_python()}",
                f"Run `pip install --force-reinstall {DISTRIBUTION}==0.7.0`",
            )
    if not os.access(found.executable, os.X_OK):
        raise TritonCannotRun(f"{found.executable} may not be run", f"Run `chmod +x {found.executable}`")
    return found


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _check_platform() -> None:
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise TritonCannotRun(f"it is built for Linux on x86-64, this is {system} on {machine}", ELSEWHERE)
    if sys.version_info[:2] not in PYTHONS:
        raise TritonCannotRun(
            f"it is built for Python 3.10 to 3.12, this is {_python()}", f"Use one of those. Or: {ELSEWHERE}"
        )
    library, version = _libc()
    if library != "glibc" or version < OLDEST_GLIBC:
        here = f"{library} {'.'.join(map(str, version))}".strip()
        raise TritonCannotRun(f"it needs glibc 2.35 or newer, this system has {here}", ELSEWHERE)


def _libc() -> tuple[str, tuple[int, ...]]:
    """Name and version of the C library; `confstr` knows it only where it is glibc."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        return name, tuple(int(part) for part in version.split(".")[:2])
    except (ValueError, OSError):
        return "another C library", ()


def _folder_of_libpython() -> Path:
    """Folder of the shared library of the running Python: without it the stub would load another one, or none."""
    name = str(sysconfig.get_config_var("INSTSONAME") or "")
    libdir = str(sysconfig.get_config_var("LIBDIR") or "")
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or "")
    if ".so" in name:
        for folder in (Path(libdir), Path(libdir) / multiarch, Path(sys.base_prefix) / "lib"):
            if (folder / name).exists():
                return folder
    raise TritonCannotRun(
        f"this Python {_python()} has no shared library (libpython{_python()}.so.1.0)",
        f"Install it (Debian, Ubuntu: `apt install libpython{_python()}`; pyenv: build with "
        f"PYTHON_CONFIGURE_OPTS=--enable-shared; or take a Python from conda or uv). Or: {ELSEWHERE}",
    )


def _folder_of_python3() -> Path:
    folder = Path(sys.executable).parent
    if not (folder / "python3").exists():
        raise TritonCannotRun(
            f"there is no `python3` beside {sys.executable}", "Run radiolucent in a virtual environment"
        )
    return folder
