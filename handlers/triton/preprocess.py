"""Triton's Python model ``preprocess``: encoded files in, one tensor per network out."""

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
from ..preprocess import preprocess
from .model_set import served_set

__all__ = ["TritonPythonModel"]


class TritonPythonModel:
    """Input ``IMAGE``: encoded files [batch, 1]; outputs ``INPUT_<network>``: float32 [batch, C, S, S]."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read what the networks of the own model set expect.

        Parameters
        ----------
        args : mapping of str to str
            From Triton.
        """
        self._specs: dict[str, InputSpec] = {name: card.input for name, card in served_set(args).cards.items()}

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
        by_spec = {spec: np.stack([image[spec] for image in prepared]) for spec in prepared[0]}
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor(f"INPUT_{name}", by_spec[spec]) for name, spec in self._specs.items()]
        )

    def _prepare(self, file: bytes) -> dict[InputSpec, NDArray[np.float32]]:
        """Decode once, resize once per distinct specification."""
        image = decode(file)
        return {spec: preprocess(image, spec).tensor for spec in dict.fromkeys(self._specs.values())}
