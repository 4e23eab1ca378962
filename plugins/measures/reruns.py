"""Running a method again, for all maps at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from ..contract import Job, Method, Parameters
from ..errors import InvalidResult, NotApplicable
from ..heatmap import heatmap
from ..observed import ObservedModel
from ..results import checked
from .contract import OtherNetwork

__all__ = ["Reruns", "runs_together"]

_ROOM_BYTES = 64 * 2**20
"""Heatmaps that are kept for maps still to be measured, bytes."""


def runs_together(targets: int, shape: Sequence[int]) -> int:
    """Return how many runs of a method may be for so many targets at once: those whose heatmaps there is room for.

    Parameters
    ----------
    targets : int
        Maps of the image.
    shape : sequence of int
        [C, H, W] of it.
    """
    return _ROOM_BYTES // (targets * _plane_bytes(shape))


class Reruns:
    """Runs of a method on other images and networks than the explained ones.

    Measures ask for the same runs for every map, and a method explains several targets at once for little more than
    one. So a run is made for all targets that are still to be measured, and each takes its heatmap from it; equal
    images have the same run. Where that gives no maps, each target has a run of its own: one that cannot be explained
    costs the others no numbers. Of other networks the last one is kept. Use it as a context manager.

    Parameters
    ----------
    method : Method
        Who explains.
    params : Parameters
        With these parameters.
    targets : sequence of int
        The explained outputs.
    observe : callable
        From an image [1, C, H, W], and a network where it is not the explained one, to the model that a method sees.
    lifted : callable
        Returns the lifted network, or raises `NotApplicable`.
    job : Job
        Asked whether to go on; told nothing.
    room_bytes : int
        Heatmaps that are kept at most, bytes. Where they have no room, runs are for one target.

    Attributes
    ----------
    forward_passes : int
        Samples that went forward so far.
    runs : list of int
        Of every run so far, how many targets it explained.
    """

    def __init__(
        self,
        method: Method[Any],
        params: Parameters,
        targets: Sequence[int],
        observe: Callable[[torch.Tensor, torch.nn.Module | None], ObservedModel],
        lifted: Callable[[], torch.fx.GraphModule],
        job: Job,
        *,
        room_bytes: int = _ROOM_BYTES,
    ) -> None:
        self._method = method
        self._params = params
        self._kept: dict[int, dict[Hashable, torch.Tensor]] = {target: {} for target in targets}
        """Of every target that is still to be measured, its heatmaps by run."""
        self._apart: set[Hashable] = set()
        """Runs that are for one target, since the one for all gave no maps."""
        self._observe = observe
        self._lifted = lifted
        self._job = job
        self._room_bytes = room_bytes
        self._other: OtherNetwork | None = None
        self._made: torch.fx.GraphModule | None = None
        self._stack = ExitStack()
        self.forward_passes = 0
        self.runs: list[int] = []

    def __enter__(self) -> Reruns:
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Let the last network go."""
        self._drop_network()

    def of(self, target: int) -> Callable[[torch.Tensor, OtherNetwork | None], torch.Tensor]:
        """Return what gives the heatmaps of a target; see `Subject.again`."""
        return partial(self._heatmap, target)

    def measured(self, target: int) -> None:
        """Keep nothing for a target any more."""
        self._kept.pop(target, None)

    def forget(self) -> None:
        """Let all networks and heatmaps go: somebody may have altered the network that they came from."""
        self._drop_network()
        for planes in self._kept.values():
            planes.clear()

    def _heatmap(self, target: int, image: torch.Tensor, other: OtherNetwork | None = None) -> torch.Tensor:
        self._job.check()
        digest = hashlib.sha256(image.detach().contiguous().numpy().tobytes()).digest()
        key = (other, tuple(image.shape), image.dtype, digest)
        if key in (kept := self._kept.get(target, {})):
            return kept[key].clone()
        targets = list(dict.fromkeys([*self._kept, target]))
        plane_bytes = _plane_bytes(image.shape)
        if (sum(map(len, self._kept.values())) + len(targets)) * plane_bytes > self._room_bytes:
            return self._run(image, other, [target])[target]
        if len(targets) > 1 and key not in self._apart:
            try:
                planes = self._run(image, other, targets)
            except (InvalidResult, NotApplicable):
                self._apart.add(key)
            else:
                for one, planes_of in self._kept.items():
                    planes_of[key] = planes[one]
                return planes[target].clone()
        plane = self._run(image, other, [target])[target]
        if target in self._kept:
            self._kept[target][key] = plane
        return plane.clone()

    def _run(self, image: torch.Tensor, other: OtherNetwork | None, targets: Sequence[int]) -> dict[int, torch.Tensor]:
        method = self._method
        self.runs.append(len(targets))
        with self._network(other) as network, ExitStack() as stack:
            model = self._observe(image, network)
            try:
                if network is not None:
                    method.check_network(network)
                with torch.enable_grad():
                    maps = method.explain(model, image.clone(), targets, self._params, _Silent(self._job))
                    if isinstance(maps, Generator):
                        stack.callback(maps.close)  # Until its end it may have hooks on the network.
                    return {
                        one.target: heatmap(one.values.detach(), signed=method.signed, channels=method.channels).clone()
                        for one in checked(method, maps, targets, image.shape[1:])
                        if one.final
                    }
            except InvalidResult as error:
                raise InvalidResult(f"the method {method.name!r}, run again, breaks its contract: {error}") from error
            finally:
                self.forward_passes += model.forward_passes

    @contextmanager
    def _network(self, other: OtherNetwork | None) -> Iterator[torch.fx.GraphModule | None]:
        if other is None:
            yield None
            return
        if self._made is None or other != self._other:
            self._drop_network()  # two large ones at once may not fit
            self._made, self._other = self._stack.enter_context(other.made_of(self._lifted())), other
        try:
            yield self._made
        except BaseException:
            # Whatever broke off may have left a hook behind.
            self._drop_network()
            raise

    def _drop_network(self) -> None:
        self._made = self._other = None
        self._stack.close()


def _plane_bytes(shape: Sequence[int]) -> int:
    return 4 * shape[-2] * shape[-1]


class _Silent:
    """A job within a job: it is cancelled with it, its progress is the outer one's business, and its maps nobody's."""

    wants_partial = False

    def __init__(self, outer: Job) -> None:
        self._outer = outer

    def check(self) -> None:
        self._outer.check()

    def progress(self, done: int, total: int) -> None:
        if not 0 <= done <= total:
            raise InvalidResult(f"progress must be reported as 0 <= done <= total, not {done!r} of {total!r}")
        self._outer.check()
