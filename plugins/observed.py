"""A network as a method sees it: countable, and stopped at its next forward pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..handlers.incremental import IncrementalForward, Window
from ..handlers.lifting import NotLiftable
from ..handlers.torchscript import device_of
from .contract import Job, Output
from .errors import NotApplicable
from .even_parts import even_parts

if TYPE_CHECKING:
    from ..handlers.brightness import BrightnessStatistics
    from ..handlers.calibration import Calibration
    from ..handlers.card import InputSpec

__all__ = ["ObservedModel"]

_OUTPUTS = "outputs"


class ObservedModel(torch.nn.Module):
    """A network whose every forward pass can be cancelled and is counted.

    It is a module, so that Captum takes it as a module and as a forward function alike. Captum has no way to stop a
    running attribution; raising from the forward pass is one, and leaves no hook behind.

    Parameters
    ----------
    network : torch.nn.Module
        The TorchScript copy, the lifted network for a method that needs modules, or the folded one, which is faster:
        [N, C, H, W] to logits [N, L].
    job : Job
        Asked before every forward pass.
    spec : InputSpec
        What the network expects to see; says for instance what black is.
    output : Output
        Whether a call gives logits or probabilities.
    image : torch.Tensor, optional
        The explained image, [1, C, H, W]; its output is remembered when it goes by.
    statistics : BrightnessStatistics, optional
        How bright the network's training films were, for baselines and backgrounds; where the card says it.
    calibration : Calibration, optional
        Makes its probabilities those that are served; logits are explained without it.
    known : mutable mapping, optional
        What earlier methods found out about the same image, network and output; by default nothing.
    graph : callable, optional
        Returns the lifted form of `network`, or None where it has none; by default it is the network itself, where that
        is a lifted one.

    Attributes
    ----------
    spec : InputSpec
        As given.
    output : Output
        As given.
    statistics : BrightnessStatistics or None
        As given.
    known : mutable mapping
        As given. A method keeps there what one that shares its passes takes instead of computing it again; see
        :meth:`~radiolucent.plugins.contract.Method.shared_passes`. Keys begin with a name of its own.
    forward_passes : int
        Samples that went forward so far.
    partial_passes : int
        Of these, the samples of which only what a window changes was computed.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        job: Job,
        *,
        spec: InputSpec,
        output: Output = Output.LOGIT,
        image: torch.Tensor | None = None,
        statistics: BrightnessStatistics | None = None,
        calibration: Calibration | None = None,
        known: MutableMapping[Hashable, Any] | None = None,
        graph: Callable[[], torch.fx.GraphModule | None] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        # A layer rather than a function, so that hooks see it as they see those of a lifted network.
        self.sigmoid = torch.nn.Sigmoid()
        self.spec = spec
        self.output = output
        self.statistics = statistics
        self._calibration = (
            None if calibration is None else (torch.tensor(calibration.scale), torch.tensor(calibration.offset))
        )
        self.forward_passes = 0
        self.partial_passes = 0
        self._job = job
        self.known: MutableMapping[Hashable, Any] = {} if known is None else known
        self._image = image
        self._device = device_of(network)
        self._graph = graph
        self._incremental: tuple[torch.Tensor, IncrementalForward | None] | None = None
        # Networks come in evaluation mode, and to go through all of their layers takes milliseconds.
        self.training = self.sigmoid.training = False
        if network.training:
            network.eval()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the explained outputs [N, L] of a batch [N, C, H, W], with gradients where grad mode is on.

        Raises
        ------
        Cancelled
            If the job was cancelled.
        """
        self._job.check()
        # Images and outputs are on the processor, wherever the network is.
        outputs: torch.Tensor = self.network(batch.to(self._device)).to(batch.device)
        return self._passed(batch, outputs)

    def unchanged(self, image: torch.Tensor) -> torch.Tensor:
        """Return the explained outputs [1, L] of an image [1, C, H, W] of which windows are to be replaced.

        Raises
        ------
        Cancelled
            If the job was cancelled.
        """
        known = self._incremental
        incremental = self._incrementally(image)
        if incremental is None:
            with torch.no_grad():
                return self(image)  # type: ignore[no-any-return]
        if self._incremental is known:
            return self.explained(incremental.outputs)
        return self._passed(image, incremental.outputs)

    def windowed(
        self, image: torch.Tensor, replacement: torch.Tensor, windows: Sequence[Window], batch_size: int
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield the explained outputs of an image with each of many windows replaced, some at a time, in any order.

        Where the network can be lifted, only what a window changes is computed, to the same outputs but for rounding.
        Each window counts as a pass either way.

        Parameters
        ----------
        image : torch.Tensor
            [1, C, H, W].
        replacement : torch.Tensor
            As large: what the windows show.
        windows : sequence of tuple of slice
            Rows and columns, inside the image.
        batch_size : int
            Bounds the memory: no more is held at once than so many whole images take, beside the activations of the
            image itself, which stay while this lives.

        Yields
        ------
        list of int
            Which windows.
        torch.Tensor
            Their outputs, [n, L], without gradients.

        Raises
        ------
        Cancelled
            If the job was cancelled; asked before every layer of a batch.
        """
        incremental = self._incrementally(image)
        if incremental is not None:
            for chosen, outputs in incremental.batches(replacement, windows, batch_size, self._job.check):
                self.forward_passes += len(chosen)
                self.partial_passes += len(chosen)
                yield chosen, self.explained(outputs)
            return
        for part in even_parts(len(windows), batch_size):
            chosen = list(range(part.start, part.stop))
            batch = image.repeat(len(chosen), 1, 1, 1)
            for sample, (rows, columns) in zip(batch, (windows[one] for one in chosen), strict=True):
                sample[:, rows, columns] = replacement[0, :, rows, columns]
            with torch.no_grad():
                yield chosen, self(batch)

    def _incrementally(self, image: torch.Tensor) -> IncrementalForward | None:
        """Return what computes changed windows of an image; None where the network goes forward as a whole only."""
        if self._incremental is None or not torch.equal(self._incremental[0], image):
            graph = self._lifted()
            if graph is not None:
                self._job.check()
            try:
                incremental = None if graph is None else IncrementalForward(graph, image)
            except NotLiftable:
                incremental = None
            self._incremental = image.clone(), incremental
        return self._incremental[1]

    def _lifted(self) -> torch.fx.GraphModule | None:
        if self._device.type != "cpu":
            return None  # Many small steps cost more there than they save.
        if isinstance(self.network, torch.fx.GraphModule):
            return self.network
        return None if self._graph is None else self._graph()

    def _passed(self, batch: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Count samples that went forward; return what is explained of their outputs."""
        self.forward_passes += len(batch)
        outputs = self.explained(outputs)
        # Methods begin with the image itself nearly always; remembering it saves a pass before the first map.
        if _OUTPUTS not in self.known and self._image is not None and torch.equal(batch[:1].detach(), self._image):
            self.known[_OUTPUTS] = outputs[0].detach().clone()
        return outputs

    def explained(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what is explained, of what the network gives.

        Raises
        ------
        NotApplicable
            If votes are to be explained, of which one network has none to share.
        """
        if self.output is Output.VOTES:
            raise NotApplicable("votes can be explained of an ensemble alone")
        if self.output is not Output.PROBABILITY:
            return outputs
        if self._calibration is None:
            return torch.as_tensor(self.sigmoid(outputs.clone()))
        scale, offset = self._calibration
        return torch.as_tensor(self.sigmoid(outputs * scale + offset))

    def value(self, target: int) -> float:
        """Return the explained output of the explained image, from memory where the image went by already."""
        if _OUTPUTS not in self.known:
            if self._image is None:
                raise ValueError("this model was not told which image is explained")
            with torch.no_grad():
                self(self._image)
        return float(self.known[_OUTPUTS][target])
