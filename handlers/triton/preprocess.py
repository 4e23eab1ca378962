"""Triton's Python model ``preprocess``: encoded files in, out one tensor per network and what the guard says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

# pydicom and GDCM take a tenth of a second to import: at the start, not at the first DICOM.
from .. import dicom_pixels  # noqa: F401
from ..card import InputSpec
from ..decode import decode
from ..errors import ImageError
from ..guard import Likeness
from ..preprocess import preprocess
from .model_set import served_guard, served_set

__all__ = ["TritonPythonModel"]


class TritonPythonModel:
    """Input ``IMAGE``: encoded files [batch, 1]; outputs ``INPUT_<network>``: float32 [batch, C, S, S], and the guard.

    The guard answers ``LIKENESS``, float32 [batch, 3]: unlikeness, threshold and share, NaN where the model set has no
    guard; and ``LIKENESS_TEXT``, bytes [batch, 1]: the same in words, or empty.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read what the networks of the own model set expect, and its guard.

        Parameters
        ----------
        args : mapping of str to str
            From Triton.
        """
        loaded = served_set(args)
        self._specs: dict[str, InputSpec] = {name: card.input for name, card in loaded.cards.items()}
        self._guard = served_guard(args, loaded)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request on its own: a bad image fails its own request and no other.

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
        files = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy().reshape(-1)
        try:
            prepared = [self._prepare(file) for file in files]
        except ImageError as error:
            return pb_utils.InferenceResponse(
                output_tensors=[],
                # The reason's name first, so that the gateway can tell reasons apart.
                error=pb_utils.TritonError(f"{error.reason.value}: {error.message}", pb_utils.TritonError.INVALID_ARG),
            )
        by_spec = {spec: np.stack([inputs[spec] for inputs, _ in prepared]) for spec in prepared[0][0]}
        inputs = [pb_utils.Tensor(f"INPUT_{name}", by_spec[spec]) for name, spec in self._specs.items()]
        return pb_utils.InferenceResponse(output_tensors=[*inputs, *_tensors([said for _, said in prepared])])

    def _prepare(self, file: bytes) -> tuple[dict[InputSpec, NDArray[np.float32]], Likeness | None]:
        """Decode once, resize once per distinct specification."""
        image = decode(file)
        inputs = {spec: preprocess(image, spec).tensor for spec in dict.fromkeys(self._specs.values())}
        return inputs, None if self._guard is None else self._guard.judge(image)


def _tensors(said: list[Likeness | None]) -> list[Any]:
    numbers = [(np.nan,) * 3 if one is None else (one.unlikeness, one.threshold, one.share) for one in said]
    texts = [b"" if one is None else one.text.encode() for one in said]
    return [
        pb_utils.Tensor("LIKENESS", np.array(numbers, dtype=np.float32)),
        pb_utils.Tensor("LIKENESS_TEXT", np.array(texts, dtype=np.object_).reshape(-1, 1)),
    ]
