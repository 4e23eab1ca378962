"""From stored profiles to what people read of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...handlers import INTENDED_USE
from ...handlers.profile import PROFILES, ProfileRecord, load_planes, save_profile
from ..progress import Progress, silent
from ..report.markdown import table_to_markdown
from ..storing import write_text
from .asked import Made
from .figures import dead_figure, dendrograms_figure, maps_figure
from .pictures import settings, to_png, to_svg
from .tables import dead_table, differences_of, distances_table, groups_table, layers_table

__all__ = ["STORED", "serve_profiles", "write_profiles"]

_LETTERS_PER_INCH = 15  # of a title

STORED = "profiles"
"""In the folder of results: records and planes, as a model set has them."""


def write_profiles(made: Made, out: Path, progress: Progress = silent) -> None:
    """Write ``profile.md``, ``profile.json`` and ``figures/`` of profiles that are stored in ``profiles/``.

    Parameters
    ----------
    made : Made
        The profiles.
    out : Path
        Folder of results.
    progress : callable
        Told how many networks are drawn.
    """
    out.mkdir(parents=True, exist_ok=True)
    differences = {}
    for number, record in enumerate(made.records, 1):
        planes = load_planes(out / STORED, record)
        differences[record.network] = differences_of(planes, len(record.layers))
        drawn = out / "figures" / record.network
        for old in (*drawn.glob("*.svg"), *drawn.glob("*.png")):  # of other layers
            old.unlink()
        for name, drawing in _drawings(record, planes):
            _write(drawing, drawn, name)
        progress("pictures", number, len(made.records))
    with settings():
        if (dead := dead_figure(made.records)) is not None:
            dead.suptitle(INTENDED_USE, fontsize=8)
            _write(dead, out / "figures", "dead_maps")
    write_text(_markdown(made, differences), out / "profile.md")
    write_text(_json(made, differences), out / "profile.json")


def serve_profiles(made: Made, out: Path, model_set: Path) -> None:
    """Copy profiles into the folder of a model set, from which a gateway serves them.

    Parameters
    ----------
    made : Made
        The profiles, which `write_profiles` or `make_profiles` stored.
    out : Path
        Folder of results.
    model_set : Path
        Such as ``model_repository/chest_xray/2``.
    """
    for record in made.records:
        planes = load_planes(out / STORED, record)
        save_profile(model_set / PROFILES, record, [planes[place] for place in range(len(record.layers))])


def _drawings(record: ProfileRecord, planes: Mapping[int, NDArray[np.float32]]) -> Iterator[tuple[str, Figure]]:
    for place, layer in enumerate(record.layers):
        with settings():
            drawing = _titled(maps_figure(record, place, planes[place]), record, f", {layer.name}")
            yield f"{place:02}-{re.sub(r'[^A-Za-z0-9_.-]', '_', layer.name)}", drawing
    with settings():
        if (clustered := dendrograms_figure(record)) is not None:
            yield "clusters", _titled(clustered, record)


def _titled(drawing: Figure, record: ProfileRecord, layer: str = "") -> Figure:
    """Say on a picture that stands alone what it is of."""
    text = f"{record.network}{layer}; profile {record.name}, {record.data}, {record.split}"
    lines = fill(text, int(_LETTERS_PER_INCH * drawing.get_figwidth()))
    drawing.suptitle(f"{lines}\n{INTENDED_USE}", fontsize=8)
    return drawing


def _write(drawing: Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(to_svg(drawing), folder / f"{name}.svg")
    part = folder / f".{name}.png.part"
    part.write_bytes(to_png(drawing))
    os.replace(part, folder / f"{name}.png")


def _markdown(made: Made, differences: dict[str, tuple[float, ...]]) -> str:
    tables = [groups_table(made.records), dead_table(made.records), layers_table(made.records, differences)]
    if (distances := distances_table(made.records)) is not None:
        tables.append(distances)
    lines = [f"# Neuron activation profile {made.records[0].name}", "", f"**{INTENDED_USE}**", ""]
    lines += [f"- not profiled: {network} {reason}" for network, reason in made.failed.items()]
    lines += [f"- {note}" for note in made.left_out]
    if made.records[0].alignment == "gradient":
        lines += ["", "Maps are aligned at the peak of the gradient of each group's label."]
    return "\n".join([*lines, *(f"\n{table_to_markdown(table)}" for table in tables), "", f"**{INTENDED_USE}**", ""])


def _json(made: Made, differences: dict[str, tuple[float, ...]]) -> str:
    content = {
        "intended_use": INTENDED_USE,
        "left_out": list(made.left_out),
        "not_profiled": dict(made.failed),
        "groups_differ_by": {
            record.network: {
                layer.name: round(value, 6)
                for layer, value in zip(record.layers, differences[record.network], strict=True)
            }
            for record in made.records
        },
        "profiles": [record.model_dump(mode="json") for record in made.records],
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
