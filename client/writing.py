"""The files of an explanation.

::

    DIR/<model>/<label>/<method>.npz   attribution float32 C x H x W (in the model's input space), heatmap float32 H x W
    DIR/<model>/<label>/<method>.png   overlay on the X-ray that the model saw
    DIR/chest_xray/...                 the same of the vote itself, where it is explained
    DIR/chest_xray/<label>/<method>.<aggregate>.npz, .png
                                       heatmap float32 H x W made of the networks' maps; <aggregate> is mean, agreement
                                       or agreement_against
    DIR/<model>/input.npz              input float32 C x H x W: the tensor that this model saw
    DIR/result.json                    everything else

``<label>`` has ``_`` for spaces. A file is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .document import Record
from .events import Classified, Event, Heatmap, ModelInput
from .rendering import render

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ResultFolder", "path_part", "write_whole"]

RESULT = "result.json"


def path_part(name: str) -> str:
    """Return a model's, label's or method's name as one part of a path: spaces and what paths give a meaning are ``_``.

    Parameters
    ----------
    name : str
        As the server says it.

    Returns
    -------
    str
        Never empty, never hidden, without a separator.
    """
    return re.sub(r"^\.+", "_", re.sub(r"[\s/\\:*?\"<>|\x00-\x1f]", "_", name)) or "_"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it, also after a crash.

    Parameters
    ----------
    path : Path
        Replaced if it exists; its folder is made.
    content : bytes
        All of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


class ResultFolder:
    """The folder that an explanation is written to while its events come.

    What an earlier run left there is removed as soon as the new job is accepted: files of two runs never mix. Files
    that are not in that run's ``result.json`` are not touched.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    record : Record
        Learns of every event and of its files.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self._record = record
        self._inputs: dict[str, NDArray[np.float32]] = {}
        self._waiting: list[Heatmap] = []

    def add(self, event: Event) -> None:
        """Write what an event brings: a final map and its picture, or an input.

        Parameters
        ----------
        event : Event
            Any event of the job, in its order.
        """
        if isinstance(event, Classified):
            self._remove_previous()
            self._record.add(event)
        elif isinstance(event, ModelInput):
            name = f"{path_part(event.model.name)}/input.npz"
            self._write_arrays(name, input=event.values)
            self._inputs[event.model.name] = event.values
            self._record.add(event, {"input": name})
            waiting, self._waiting = self._waiting, []
            for heatmap in waiting:
                self._draw(heatmap)
        elif isinstance(event, Heatmap) and event.final:
            names = self._names(event)
            arrays = {"heatmap": event.values}
            if event.aggregate is None:
                # Where the server sent no attribution, one channel's is the map itself.
                arrays["attribution"] = event.values[np.newaxis] if event.attribution is None else event.attribution
            self._write_arrays(names["npz"], **arrays)
            self._draw(event)
            self._record.add(event, names)
        else:
            self._record.add(event)

    def finish(self, **also: object) -> Path:
        """Write ``result.json``.

        Parameters
        ----------
        also : object
            More to put into it.

        Returns
        -------
        Path
            The file.
        """
        for heatmap in self._waiting:  # a server that sent no input: the map stands alone
            self._inputs.setdefault(heatmap.model.name, np.zeros_like(heatmap.values)[np.newaxis])
            self._draw(heatmap)
        self._waiting = []
        document = json.dumps(self._record.as_document(**also), indent=2, ensure_ascii=False, allow_nan=False)
        path = self.folder / RESULT
        write_whole(path, (document + "\n").encode())
        return path

    @staticmethod
    def _names(heatmap: Heatmap) -> dict[str, str]:
        stem = "/".join(path_part(part) for part in (heatmap.model.name, heatmap.label, heatmap.method))
        if heatmap.aggregation is not None:
            stem += f".{path_part(heatmap.aggregation)}"
        return {"npz": f"{stem}.npz", "png": f"{stem}.png"}

    def _write_arrays(self, name: str, **arrays: NDArray[np.float32]) -> None:
        file = io.BytesIO()
        np.savez_compressed(file, **{key: np.asarray(value, np.float32) for key, value in arrays.items()})
        write_whole(self.folder / name, file.getvalue())

    def _draw(self, heatmap: Heatmap) -> None:
        background = self._inputs.get(heatmap.model.name)
        if background is None:
            self._waiting.append(heatmap)
            return
        write_whole(self.folder / self._names(heatmap)["png"], render(heatmap, background))

    def _remove_previous(self) -> None:
        result = self.folder / RESULT
        try:
            previous = json.loads(result.read_text(encoding="utf-8"))
            names = [
                name for name in _file_names(previous) if not Path(name).is_absolute() and ".." not in Path(name).parts
            ]
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return  # no earlier run, or not a file of ours
        # First the list, so that it never names files that are gone.
        result.unlink()
        for name in names:
            path = self.folder / name
            path.unlink(missing_ok=True)
            for parent in list(path.relative_to(self.folder).parents)[:-1]:
                with contextlib.suppress(OSError):  # not empty
                    (self.folder / parent).rmdir()


def _file_names(document: dict[str, Any]) -> list[str]:
    return [
        str(name) for entry in [*document["heatmaps"], *document["inputs"]] for name in entry.get("files", {}).values()
    ]
