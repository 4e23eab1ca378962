"""Which model set served last, remembered over restarts."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_LOG = logging.getLogger(__name__)
FILE_NAME = ".serving.json"
"""A file in the root of the repository: Triton takes every folder there for a model, and files for nothing."""


class LastGood(BaseModel):
    """What the file says."""

    model_config = ConfigDict(frozen=True)

    set_version: int = Field(ge=1)
    """The model set that Triton loaded last."""


def read_last_good(path: Path) -> int | None:
    """Return the set that served last, None if nobody knows."""
    try:
        return LastGood.model_validate_json(path.read_bytes()).set_version
    except (OSError, ValidationError):
        return None


def write_last_good(path: Path, set_version: int) -> None:
    """Remember the set that serves; where the repository cannot be written to, do without."""
    fresh = ""
    try:
        handle, fresh = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(LastGood(set_version=set_version).model_dump_json())
        os.replace(fresh, path)
    except OSError as error:
        _LOG.warning("cannot remember the model set that serves in %s: %s", path, error.strerror)
        with suppress(OSError):
            os.unlink(fresh)
