"""The document that keeps what was measured, part by part."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["keep", "read"]


def read(path: Path) -> dict[str, Any]:
    """Return what was measured, by part; nothing where there is no such file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def keep(path: Path, name: str, measured: Mapping[str, Any]) -> None:
    """Put one part in place of what was there of it; the others stay, and whoever is interrupted loses none."""
    document = read(path) | {name: measured}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)
