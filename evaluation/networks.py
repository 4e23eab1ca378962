"""Networks run on films without a server: each film is decoded once, whatever the number of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets import Film
from ..handlers import InputSpec, XRay, preprocess
from ..handlers.lifting import NotLiftable
from .film_reading import read_each
from .penultimate import with_features
from .progress import Progress, silent

__all__ = ["Network", "Outputs", "run_networks"]

_BATCH = 16

A = TypeVar("A")
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Network:
    """One network, ready to run.

    Parameters
    ----------
    name : str
        As tables call it.
    spec : InputSpec
        What it expects to see.
    script : torch.jit.ScriptModule
        Its TorchScript copy.
    """

    name: str
    spec: InputSpec
    script: torch.jit.ScriptModule


@dataclass(frozen=True, eq=False)
class Outputs:
    """What one network answers on films.

    Parameters
    ----------
    logits : ndarray of float32, shape [films, labels]
        Before any calibration.
    features : ndarray of float32, shape [films, width], optional
        Penultimate features, where they were asked for and exist.
    refusal : str
        Why there are no features, where they were asked for.
    """

    logits: Floats
    features: Floats | None = None
    refusal: str = ""


def run_networks(
    networks: Sequence[Network],
    films: Sequence[Film],
    *,
    features: bool = False,
    change: Callable[[XRay], XRay] | None = None,
    progress: Progress = silent,
    task: str = "networks",
) -> dict[str, Outputs]:
    """Run networks on films, in float32 as they are served.

    Parameters
    ----------
    networks : sequence of Network
        Which; those with equal input specs share one preprocessed image.
    films : sequence of Film
        Which.
    features : bool
        Whether to keep penultimate features too.
    change : callable, optional
        What happens to a decoded film before it is preprocessed, such as `hide_centre`.
    progress : callable
        Told how many films are done.
    task : str
        What to call it there.

    Returns
    -------
    dict of str to Outputs
        By network.

    Raises
    ------
    FilmsUnreadable
        With every film that cannot be read.
    """
    specs = list(dict.fromkeys(network.spec for network in networks))

    def look(image: XRay) -> dict[InputSpec, Floats]:
        image = image if change is None else change(image)
        return {spec: preprocess(image, spec).tensor for spec in specs}

    runners = [_Runner(network, features) for network in networks]
    done = 0
    # The profiling executor of TorchScript would rewrite graphs between the first runs and the later ones.
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        for chunk in _chunks(read_each(films, look), _BATCH):
            batches = {spec: torch.from_numpy(np.stack([one[spec] for one in chunk])) for spec in specs}
            for runner in runners:
                runner.run(batches[runner.network.spec])
            done += len(chunk)
            progress(task, done, len(films))
    return {runner.network.name: runner.outputs() for runner in runners}


class _Runner:
    """One network and what it has answered so far."""

    def __init__(self, network: Network, features: bool) -> None:
        self.network = network
        self.refusal = ""
        self._module = None
        self._logits: list[Floats] = []
        self._features: list[Floats] = []
        if features:
            try:
                self._module = with_features(network.script)
            except NotLiftable as reason:
                self.refusal = str(reason)

    def run(self, batch: torch.Tensor) -> None:
        if self._module is None:
            self._logits.append(self.network.script(batch).numpy())
            return
        logits, features = self._module(batch)
        self._logits.append(logits.numpy())
        self._features.append(features.numpy())

    def outputs(self) -> Outputs:
        logits = np.concatenate(self._logits) if self._logits else np.zeros((0, 0), np.float32)
        return Outputs(logits, np.concatenate(self._features) if self._features else None, self.refusal)


def _chunks(items: Iterator[A], size: int) -> Iterator[list[A]]:
    while chunk := list(islice(items, size)):
        yield chunk
