"""Whether a model set was trained on films that are about to be tested: its card knows the checksum of its splits."""

from __future__ import annotations

import csv
import hashlib
import io

from ..datasets import SPLITS, DataSet
from ..handlers.card import DataRecord
from .errors import EvaluationError

__all__ = ["refuse_other_splits", "splits_checksum"]


def splits_checksum(data_set: DataSet) -> str:
    """Return what the SHA-256 of a run's ``splits.csv`` would be, had it been trained on these films and splits."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("file", "group", "split"))
    for split in SPLITS:
        writer.writerows((film.file, film.group, split) for film in data_set.of(split))
    return hashlib.sha256(text.getvalue().encode()).hexdigest()


def refuse_other_splits(trained_on: DataRecord | None, data_set: DataSet) -> None:
    """Refuse films of the training's own manifest that are not split as they were there.

    Of another manifest, or where the card does not tell the splits, nothing can be known.

    Raises
    ------
    EvaluationError
        If tested films may have been trained on.
    """
    if trained_on is None or trained_on.checksum != data_set.checksum or trained_on.splits is None:
        return
    if trained_on.splits != splits_checksum(data_set):
        raise EvaluationError(
            f"the model set was trained on {data_set.path} with other films or splits than these, so that tested films "
            "may have been trained on: name the run that it comes from (radiolucent evaluate RUN --repository ...)"
        )
