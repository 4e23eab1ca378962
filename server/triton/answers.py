"""What Triton answers, as plain typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...handlers.guard import Likeness
from .errors import TritonFailed


@dataclass(frozen=True)
class EnsembleAnswer:
    """The answer of the ensemble for one image: N networks, L labels.

    Attributes
    ----------
    set_version
        Version of the model set that answered.
    models, versions
        Names of the networks, and the version of each that really answered: the graphs say it themselves.
    labels
        Names of the labels.
    logits, probabilities
        [N, L], float32; probabilities in [0, 1].
    votes
        [L], int32: how many networks vote for the label, 0 to N.
    majority
        [L], bool: whether more than half do, with the labels that those imply.
    mean
        [L], float32: mean probability over the networks.
    likeness
        What the guard of the set says; None where the set has none.
    """

    set_version: int
    models: tuple[str, ...]
    versions: tuple[int, ...]
    labels: tuple[str, ...]
    logits: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    votes: npt.NDArray[np.int32]
    majority: npt.NDArray[np.bool_]
    mean: npt.NDArray[np.float32]
    likeness: Likeness | None = None


@dataclass(frozen=True)
class NetworkAnswer:
    """The answer of one network for a batch of B prepared images: its version and its logits [B, L], float32."""

    version: int
    logits: npt.NDArray[np.float32]


def ensemble_answer(result: Any) -> EnsembleAnswer:  # noqa: ANN401 - tritonclient is untyped
    """Convert the result of `tritonclient` for one image.

    Raises
    ------
    TritonFailed
        If an output is missing: then something else than our ensemble runs under its name.
    """
    outputs = {
        name: result.as_numpy(name)
        for name in ("MODELS", "VERSIONS", "LABELS", "LOGITS", "PROBABILITIES", "VOTES", "MAJORITY", "MEAN")
    }
    missing = [name for name, array in outputs.items() if array is None]
    if missing:
        raise TritonFailed(f"the ensemble answered without {', '.join(missing)}")
    first = {name: array[0] for name, array in outputs.items()}
    return EnsembleAnswer(
        set_version=int(result.get_response().model_version),
        models=_texts(first["MODELS"]),
        versions=tuple(int(version) for version in first["VERSIONS"]),
        labels=_texts(first["LABELS"]),
        logits=first["LOGITS"],
        probabilities=first["PROBABILITIES"],
        votes=first["VOTES"],
        majority=first["MAJORITY"],
        mean=first["MEAN"],
        likeness=_likeness(result),
    )


def network_answer(result: Any) -> NetworkAnswer:  # noqa: ANN401 - tritonclient is untyped
    """Convert the result of `tritonclient` for one network.

    The version is the one that the graph carries; a TorchScript copy carries none, there it is Triton's.

    Raises
    ------
    TritonFailed
        If it answered without logits.
    """
    logits = result.as_numpy("LOGITS")
    if logits is None:
        logits = result.as_numpy("LOGITS__0")
    if logits is None:
        raise TritonFailed("the network answered without LOGITS")
    version = result.as_numpy("VERSION")
    told = result.get_response().model_version if version is None else version.reshape(-1)[0]
    return NetworkAnswer(version=int(told), logits=logits)


def _likeness(result: Any) -> Likeness | None:  # noqa: ANN401 - tritonclient is untyped
    numbers, text = result.as_numpy("LIKENESS"), result.as_numpy("LIKENESS_TEXT")
    # An external Triton whose repository was configured before there were guards has no such outputs.
    if numbers is None or text is None or np.isnan(numbers[0]).any():
        return None
    unlikeness, threshold, share = numbers[0].tolist()
    return Likeness(unlikeness, threshold, share, _texts(text[0])[0])


def _texts(array: npt.NDArray[np.object_]) -> tuple[str, ...]:
    return tuple(text.decode() for text in array)
