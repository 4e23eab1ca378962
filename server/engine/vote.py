"""The vote of several networks as one network, which methods explain by perturbing the image that all of them see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...handlers.calibration import Calibration
from ...handlers.card import InputSpec
from ...handlers.preprocess import Prepared
from ...handlers.torchscript import device_of
from ...handlers.vote import served_probabilities
from ...plugins import Method, Need, ObservedModel, Output
from .grids import resampling

__all__ = ["ObservedVote", "Voter", "VoteNetwork", "refusal"]


def refusal(method: Method[Any]) -> str | None:
    """Say why a method cannot explain a vote; None where it can."""
    if method.needs <= {Need.FORWARD}:
        return None
    return (
        f"{method.name} needs more than forward passes, and a majority vote has no gradient and no layers: explain the "
        "networks, or aggregate their maps"
    )


@dataclass(frozen=True, eq=False)
class Voter:
    """A network that votes.

    Parameters
    ----------
    network : torch.nn.Module
        [N, C, S, S] to logits [N, L].
    spec : InputSpec
        What it expects to see.
    thresholds : tuple of float
        For each label the probability, as served, from which on it votes.
    prepared : Prepared
        The X-ray as it sees it.
    calibration : Calibration, optional
        Makes its probabilities those that are served.
    """

    network: torch.nn.Module
    spec: InputSpec
    thresholds: tuple[float, ...]
    prepared: Prepared
    calibration: Calibration | None = None


class VoteNetwork(torch.nn.Module):
    """The vote, as a function of one image on the grid of one of the networks.

    A network with another grid sees its own input, exactly, wherever that image is unchanged: the unperturbed X-ray
    gives the vote that was served, whatever the sizes. Where the image is changed it sees that image resampled, by the
    filter of the preprocessing. Preprocessing the film anew for every perturbation would be no more exact, for a
    perturbation is made on the grid and has no finer detail; resampling everything would change the vote before
    anything is perturbed.

    Parameters
    ----------
    voters : sequence of Voter
        In voting order.
    size : tuple of int
        Height and width of the X-ray, pixels.
    seen : Prepared
        The X-ray on the grid that is perturbed.
    spec : InputSpec
        That grid's.
    output : Output
        `VOTES`, the share of networks that vote for a label; or `PROBABILITY`, the mean of their probabilities.
    check : callable
        Asked before each network; raises where the job was stopped.
    """

    def __init__(
        self,
        voters: Sequence[Voter],
        size: tuple[int, int],
        seen: Prepared,
        spec: InputSpec,
        output: Output,
        check: Callable[[], None],
    ) -> None:
        super().__init__()
        self.networks = torch.nn.ModuleList(voter.network for voter in voters)
        self._feeds = [_Feed(voter, size, seen, spec) for voter in voters]
        self._thresholds = np.array([voter.thresholds for voter in voters], dtype=np.float32)
        self._calibrations = [voter.calibration for voter in voters]
        self._output = output
        self._check = check
        self._errors: tuple[float, ...] | None = None

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the explained outputs [N, L] of a batch [N, C, S, S]; no gradient goes through."""
        scores = np.stack([self._scores(index, feed(batch)) for index, feed in enumerate(self._feeds)])
        if self._output is Output.VOTES:
            # Probabilities and comparison are those of the vote that is served.
            votes = (scores >= self._thresholds[:, None]).sum(axis=0)
            return torch.from_numpy((votes / len(scores)).astype(np.float32))
        return torch.from_numpy(scores.mean(axis=0, dtype=np.float32))

    def resampling_error(self, target: int) -> float:
        """Measure what resampling does to the unperturbed X-ray.

        Parameters
        ----------
        target : int
            Index of the label.

        Returns
        -------
        float
            Largest change of a network's probability, in [0, 1], when all that it sees is resampled; measured once.
        """
        if self._errors is None:
            changes = [np.zeros(self._thresholds.shape[1], dtype=np.float32)]
            for index, feed in enumerate(self._feeds):
                if feed.resampled is not None:
                    direct, resampled = (self._scores(index, image) for image in (feed.own, feed.resampled))
                    changes.append(np.abs(resampled - direct)[0])
            self._errors = tuple(np.max(changes, axis=0).tolist())
        return self._errors[target]

    def _scores(self, index: int, batch: torch.Tensor) -> NDArray[np.float32]:
        self._check()
        network = self.networks[index]
        with torch.no_grad():
            logits = network(batch.to(device_of(network))).cpu().numpy()
        return served_probabilities(logits, self._calibrations[index])


class _Feed:
    """What one network gets to see of a perturbed image."""

    def __init__(self, voter: Voter, size: tuple[int, int], seen: Prepared, spec: InputSpec) -> None:
        self.own = torch.from_numpy(voter.prepared.tensor.copy())[None]
        self.resampled: torch.Tensor | None = None
        """The unperturbed image with every pixel resampled; None where the grid is the same."""
        self._same = voter.spec == spec
        self._seen = torch.from_numpy(seen.tensor.copy())[None]
        self._std, self._own_std = spec.std, voter.spec.std
        move = resampling(*size, spec.size, voter.spec.size)
        self._rows, self._columns = (torch.from_numpy(one).float() for one in (move.rows, move.columns))
        self._detail = torch.zeros(())
        if voter.spec.size != spec.size:
            brightness = self._seen * spec.std + spec.mean
            self.resampled = (self._fit(self._move(brightness)) - voter.spec.mean) / voter.spec.std
            self._detail = self.own - self.resampled

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        batch = batch.detach()
        if self._same:
            return batch
        change = batch - self._seen
        # What resampling took from the image stays where the image is as it was, and goes where it is changed.
        lost = self._move((change != 0).any(dim=1, keepdim=True).float()) * self._detail
        return self.own + self._fit(self._move(change * (self._std / self._own_std))) - lost

    def _move(self, planes: torch.Tensor) -> torch.Tensor:
        return self._rows @ planes @ self._columns.T

    def _fit(self, planes: torch.Tensor) -> torch.Tensor:
        """Give planes as many channels as the network has. They are copies of one grey plane."""
        channels = self.own.shape[1]
        return planes if planes.shape[1] == channels else planes.mean(dim=1, keepdim=True).expand(-1, channels, -1, -1)


class ObservedVote(ObservedModel):
    """A vote whose every forward pass can be cancelled and is counted."""

    def explained(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what the vote gives: it is a share or a probability already."""
        return outputs
