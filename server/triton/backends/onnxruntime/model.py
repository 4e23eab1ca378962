"""Triton backend `onnxruntime`, written in Python: serves `model.onnx` through the ONNX Runtime wheel.

Triton runs this file for every model that says `backend: "onnxruntime"` where NVIDIA's own backend is not installed.
It reads parameters of the same names (`intra_op_thread_count`, `inter_op_thread_count`, `session.*`). Nothing of
radiolucent is imported, so a model's process stays small.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

WARNING = 2


class TritonPythonModel:
    """One instance of one version of a network, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the network's file.

        Parameters
        ----------
        args
            Triton's description of the model: its configuration as JSON, its folder, its version.
        """
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or "model.onnx"
        self._batches = config.get("max_batch_size", 0) > 0
        self._session = onnxruntime.InferenceSession(
            Path(args["model_repository"], args["model_version"], file),
            _options(config.get("parameters", {})),
            providers=["CPUExecutionProvider"],
        )
        # What the graph says, not what the configuration says: they could differ, and the graph is what answers.
        self._inputs = [tensor.name for tensor in self._session.get_inputs()]
        self._outputs = [tensor.name for tensor in self._session.get_outputs()]
        missing = {tensor["name"] for tensor in config["output"]}.difference(self._outputs)
        if missing:
            raise pb_utils.TritonModelException(f"{file} has no output {', '.join(sorted(missing))}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of one dynamic batch, those of one shape in one run of the network.

        A request that fails, fails alone.
        """
        responses: list[Any] = [None] * len(requests)
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        tensors: list[dict[str, NDArray[Any]]] = []
        for index, request in enumerate(requests):
            given = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            tensors.append(given)
            key = tuple((array.dtype.str, array.shape[1:]) for array in given.values())
            groups[key if self._batches else (index,)].append(index)
        for members in groups.values():
            answers = self._run_together([tensors[index] for index in members])
            for index, answer in zip(members, answers, strict=True):
                responses[index] = _response(answer, requests[index].requested_output_names())
        return responses

    def _run_together(self, given: list[dict[str, NDArray[Any]]]) -> list[dict[str, NDArray[Any]] | Exception]:
        """Run requests of one shape as one batch; where that fails, one by one, to fail only the guilty."""
        try:
            if len(given) == 1:
                return [self._run(given[0])]
            whole = self._run({name: np.concatenate([each[name] for each in given]) for name in self._inputs})
        except Exception as error:  # noqa: BLE001 - becomes the answer of the request it belongs to
            if len(given) == 1:
                return [error]
            return [answer for each in given for answer in self._run_together([each])]
        ends = np.cumsum([len(each[self._inputs[0]]) for each in given])[:-1]
        parts = {name: np.split(array, ends) for name, array in whole.items()}
        return [{name: split[index] for name, split in parts.items()} for index in range(len(given))]

    def _run(self, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return dict(zip(self._outputs, self._session.run(self._outputs, given), strict=True))


def _options(parameters: dict[str, dict[str, str]]) -> onnxruntime.SessionOptions:
    """Read thread counts: one per instance unless the configuration says more, since all networks run at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", {}).get("string_value") or 1)
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", {}).get("string_value") or 1)
    # A thread that spins while it waits takes the core that another network needs.
    entries = {"session.intra_op.allow_spinning": "0", "session.inter_op.allow_spinning": "0"}
    entries |= {key: value["string_value"] for key, value in parameters.items() if key.startswith("session.")}
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    options.log_severity_level = WARNING
    return options


def _response(answer: dict[str, NDArray[Any]] | Exception, names: list[str]) -> Any:  # noqa: ANN401 - Triton's own class
    if isinstance(answer, Exception):
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"ONNX Runtime: {answer}"))
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, np.ascontiguousarray(answer[name])) for name in names])
