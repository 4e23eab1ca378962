"""Triton's Python model ``vote``: the networks' logits in, the ensemble's answer out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from ..vote import served_probabilities, vote
from .model_set import served_set

__all__ = ["TritonPythonModel"]


class TritonPythonModel:
    """Inputs ``LOGITS_<network>`` and ``VERSION_<network>``; outputs as the ensemble's configuration lists them."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the thresholds, calibrations, labels and networks of the own model set.

        Parameters
        ----------
        args : mapping of str to str
            From Triton.
        """
        loaded = served_set(args)
        self._members = dict(loaded.model_set.members)
        self._telling = frozenset(name for name, card in loaded.cards.items() if card.backend == "onnxruntime")
        self._labels = loaded.labels
        self._calibrations = [card.calibration for card in loaded.cards.values()]
        self._thresholds = np.array(loaded.thresholds, dtype=np.float32)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Vote on every image of every request.

        Parameters
        ----------
        requests : list of InferenceRequest
            From Triton, batched by it.

        Returns
        -------
        list of InferenceResponse
            One per request, in order.
        """
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:  # noqa: ANN401 - the types are Triton's
        def tensor(name: str) -> NDArray[Any]:
            array: NDArray[Any] = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            return array

        logits = np.stack([tensor(f"LOGITS_{name}") for name in self._members], axis=1).astype(np.float32, copy=False)
        images = len(logits)
        if logits.shape[1:] != self._thresholds.shape:
            message = "internal: the networks' outputs are not those of their cards"
            return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message))
        scores = np.stack(
            [served_probabilities(logits[:, row], calibration) for row, calibration in enumerate(self._calibrations)],
            axis=1,
        )
        votes = [vote(scores[i], self._thresholds, self._labels) for i in range(images)]
        versions = [
            tensor(f"VERSION_{name}").reshape(images).astype(np.int64)
            if name in self._telling
            else np.full(images, version, dtype=np.int64)
            for name, version in self._members.items()
        ]
        answer: dict[str, NDArray[Any]] = {
            "PROBABILITIES": scores,
            "VOTES": np.stack([v.votes for v in votes]),
            "MAJORITY": np.stack([v.majority for v in votes]),
            "MEAN": np.stack([v.mean for v in votes]),
            "LOGITS": logits,
            "LABELS": _repeat([label.name for label in self._labels], images),
            "MODELS": _repeat(list(self._members), images),
            "VERSIONS": np.stack(versions, axis=1),
        }
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in answer.items()]
        )


def _repeat(names: list[str], images: int) -> NDArray[np.object_]:
    row = np.array([name.encode() for name in names], dtype=np.object_)
    return np.tile(row, (images, 1))
