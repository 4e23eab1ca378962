"""Triton backend `pytorch`, written in Python: serves `model.pt`, a TorchScript copy that answers logits.

Triton runs this file for every model that says `backend: "pytorch"` where NVIDIA's own backend is not installed. As
there, the names of tensors are the configuration's, and parameters have the same names. Nothing of radiolucent is
imported.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray


class TritonPythonModel:
    """One instance of one version of a network, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the network's file.

        Parameters
        ----------
        args
            Triton's description of the model: its configuration as JSON, its folder, its version.
        """
        config = json.loads(args["model_config"])
        parameters = config.get("parameters", {})
        torch.set_num_threads(int(parameters.get("INTRA_OP_THREAD_COUNT", {}).get("string_value") or 1))
        torch.set_num_interop_threads(int(parameters.get("INTER_OP_THREAD_COUNT", {}).get("string_value") or 1))
        file = config.get("default_model_filename") or "model.pt"
        self._batches = config.get("max_batch_size", 0) > 0
        self._input = config["input"][0]["name"]
        self._logits = config["output"][0]["name"]
        path = Path(args["model_repository"], args["model_version"], file)
        self._network = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of one dynamic batch, those of one shape in one run of the network.

        A request that fails, fails alone.
        """
        responses: list[Any] = [None] * len(requests)
        images = [pb_utils.get_input_tensor_by_name(request, self._input).as_numpy() for request in requests]
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            groups[image.shape[1:] if self._batches else (-1, index)].append(index)
        for members in groups.values():
            answers = self._run_together([images[index] for index in members])
            for index, answer in zip(members, answers, strict=True):
                responses[index] = self._response(answer)
        return responses

    def _run_together(self, images: list[NDArray[Any]]) -> list[NDArray[Any] | Exception]:
        """Run requests of one shape as one batch; where that fails, one by one, to fail only the guilty."""
        try:
            with torch.inference_mode():
                logits = self._network(torch.from_numpy(np.concatenate(images))).numpy()
        except Exception as error:  # noqa: BLE001 - becomes the answer of the request it belongs to
            if len(images) == 1:
                return [error]
            return [answer for image in images for answer in self._run_together([image])]
        return list(np.split(logits, np.cumsum([len(image) for image in images])[:-1]))

    def _response(self, answer: NDArray[Any] | Exception) -> Any:  # noqa: ANN401 - Triton's own class
        if isinstance(answer, Exception):
            # TorchScript's messages are many lines of serialized code, of which the last says what was wrong.
            reason = str(answer).strip().rsplit("\n", 1)[-1]
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"TorchScript: {reason}"))
        return pb_utils.InferenceResponse([pb_utils.Tensor(self._logits, np.ascontiguousarray(answer))])
