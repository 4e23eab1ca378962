"""What a card says of a data set before it is trained on."""

from __future__ import annotations

from ..datasets import DataSet
from ..handlers.card import DataRecord

__all__ = ["record_of"]


def record_of(data: DataSet, *, commercial_only: bool) -> DataRecord:
    """Name a data set and say whether the licences of its training films allow commercial use.

    Parameters
    ----------
    data : DataSet
        As it is trained on.
    commercial_only : bool
        Whether films whose licence does not allow it were left out on request.

    Returns
    -------
    DataRecord
        One film that must not be used commercially decides; else one of which nobody knows makes it unknown.
    """
    allowed = {film.commercial_use for film in data.of("train")}
    return DataRecord(
        name=data.name,
        checksum=data.checksum,
        commercial_use=False if False in allowed else None if None in allowed or not allowed else True,
        commercial_only=commercial_only,
    )
