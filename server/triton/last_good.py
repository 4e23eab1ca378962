"""What has to be remembered of model sets over restarts of the gateway."""

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

    set_version: int | None = Field(default=None, ge=1)
    """The model set that Triton loaded last; None where none was."""
    members: dict[str, int] = Field(default_factory=dict)
    """Newest version of each network that came with a set: when the set is removed it is not served on its own."""


def read_last_good(path: Path) -> LastGood:
    """Return what is remembered; nothing, if nobody knows."""
    try:
        return LastGood.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return LastGood()


def write_last_good(path: Path, last_good: LastGood) -> None:
    """Remember; where the repository cannot be written to, do without."""
    fresh = ""
    try:
        handle, fresh = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(last_good.model_dump_json())
        os.replace(fresh, path)
    except OSError as error:
        _LOG.warning("cannot remember the model set that serves in %s: %s", path, error.strerror)
        with suppress(OSError):
            os.unlink(fresh)
