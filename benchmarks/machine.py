"""On what something was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["machine", "versions"]

_PACKAGES = ("radiolucent", "torch", "captum", "numpy", "onnxruntime", "nvidia-pytriton", "ray")


def machine() -> dict[str, Any]:
    """Describe this machine, without a name or a path of it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30),
    }


def versions() -> dict[str, str]:
    """Return the versions of what computes, and the commit of this checkout."""
    found = {"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    return found | {"commit": _commit()}


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        said = subprocess.run(  # noqa: S603 - a fixed command
            asked, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"
