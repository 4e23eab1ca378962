"""Reading and writing cards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from .errors import CardError
from .record import Record

__all__ = ["load_record", "save_record"]

Card = TypeVar("Card", bound=Record)


def load_record(kind: type[Card], path: str | os.PathLike[str]) -> Card:
    """Read a card of a kind.

    Raises
    ------
    CardError
        If the file cannot be read or is not a valid card of that kind.
    """
    path = Path(path)
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CardError(path, f"cannot read the model card: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "card"
        raise CardError(path, f"not a valid model card: {where}: {first['msg']}") from error


def save_record(card: Record, path: str | os.PathLike[str]) -> None:
    """Write a card; refuses to overwrite one.

    Raises
    ------
    CardError
        If there is a file already or it cannot be written.
    """
    path = Path(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(card.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise CardError(path, f"cannot write the model card: {error.strerror}") from error
