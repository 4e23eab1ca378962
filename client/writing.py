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

``<label>`` has ``_`` for spaces. Labels that become alike so, or differ by case alone, are numbered in the order of the
networks' outputs (``A_b``, ``A_b_2``); ``result.json`` says which file is whose. A file is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import json
import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .document import Record
from .events import Classified, Event, Heatmap, ModelInput
from .file_names import PathParts, path_part
from .rendering import render
from .writer_thread import WriterThread

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ResultFolder", "write_whole"]

RESULT = "result.json"
_INPUT = "input.npz"


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
        self._models, self._labels = PathParts([RESULT]), PathParts([_INPUT])
        self._inputs: dict[str, NDArray[np.float32]] = {}
        self._waiting: list[Heatmap] = []
        self._writer = WriterThread()
        self._unlike = False

    def add(self, event: Event) -> None:
        """Write what an event brings: a final map and its picture (in the background), or an input.

        Parameters
        ----------
        event : Event
            Any event of the job, in its order.

        Raises
        ------
        OSError
            This or an earlier event's files could not be written.
        """
        if isinstance(event, Classified):
            self._remove_previous()
            self._unlike = bool(event.classification.warning)
            self._name(event)
            self._record.add(event)
        elif isinstance(event, ModelInput):
            name = f"{self._models.of(event.model.name)}/{_INPUT}"
            self._write_arrays(name, input=event.values)
            self._inputs[event.model.name] = event.values
            self._record.add(event, {"input": name})
            waiting, self._waiting = self._waiting, []
            for heatmap in waiting:
                self._write(heatmap)
        elif isinstance(event, Heatmap) and event.final:
            self._write(event)
        else:
            self._record.add(event)

    def finish(self, **also: object) -> Path:
        """Wait for the maps, and write ``result.json``.

        Parameters
        ----------
        also : object
            More to put into it.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OSError
            A file could not be written; ``result.json`` is there if it could, and names what was.
        """
        path = self.folder / RESULT
        try:
            for heatmap in self._waiting:  # a server that sent no input: the map stands alone
                self._inputs.setdefault(heatmap.model.name, np.zeros_like(heatmap.values)[np.newaxis])
                self._write(heatmap)
            self._waiting = []
            self._writer.finish()
        finally:
            document = json.dumps(self._record.as_document(**also), indent=2, ensure_ascii=False, allow_nan=False)
            write_whole(path, (document + "\n").encode())
        return path

    def _name(self, event: Classified) -> None:
        """Fix the names of all that may come, so that no order of arrival changes them."""
        for vote in event.classification.labels:
            self._labels.of(vote.label)
        for item in event.items:
            self._models.of(item.model.name)
            for label in item.labels:
                self._labels.of(label)

    def _names(self, heatmap: Heatmap) -> dict[str, str]:
        parts = (self._models.of(heatmap.model.name), self._labels.of(heatmap.label), path_part(heatmap.method))
        stem = "/".join(parts)
        if heatmap.aggregation is not None:
            stem += f".{path_part(heatmap.aggregation)}"
        return {"npz": f"{stem}.npz", "png": f"{stem}.png"}

    def _write(self, heatmap: Heatmap) -> None:
        background = self._inputs.get(heatmap.model.name)
        if background is None:
            self._waiting.append(heatmap)
            return
        names = self._names(heatmap)
        # What could not be written is not in the record.
        self._writer.add(
            partial(self._write_files, heatmap, background, names), partial(self._record.add, heatmap, names)
        )

    def _write_files(self, heatmap: Heatmap, background: NDArray[np.float32], names: dict[str, str]) -> None:
        arrays = {"heatmap": heatmap.values}
        if heatmap.aggregate is None:
            # Where the server sent no attribution, one channel's is the map itself.
            arrays["attribution"] = heatmap.values[np.newaxis] if heatmap.attribution is None else heatmap.attribution
        self._write_arrays(names["npz"], **arrays)
        write_whole(self.folder / names["png"], render(heatmap, background, unlike=self._unlike))

    def _write_arrays(self, name: str, **arrays: NDArray[np.float32]) -> None:
        file = io.BytesIO()
        np.savez_compressed(file, **{key: np.asarray(value, np.float32) for key, value in arrays.items()})
        write_whole(self.folder / name, file.getvalue())

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
