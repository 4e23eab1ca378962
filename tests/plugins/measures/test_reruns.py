"""Running a method again, once for all maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import Attribution, Cancelled, InvalidResult, ObservedModel, load_registry
from radiolucent.plugins.measures import Reruns
from radiolucent.plugins.measures.randomised import randomised, weighted_layers


@dataclass(frozen=True)
class Random:
    """A network with random weights, which writes down when it is made and let go."""

    seed: int
    log: list[str] = field(default_factory=list, compare=False)

    @contextmanager
    def made_of(self, lifted: torch.fx.GraphModule) -> Iterator[torch.fx.GraphModule]:
        self.log.append(f"made {self.seed}")
        with randomised(lifted, weighted_layers(lifted), self.seed) as network:
            yield network
        self.log.append(f"gone {self.seed}")


@pytest.fixture
def reruns(convolutional: torch.nn.Module, spec: InputSpec, recorder: Callable[..., Any]) -> Callable[..., Reruns]:
    def make(*targets: int, job: Any = None, method: Any = None, **more: Any) -> Reruns:  # noqa: ANN401
        method, job = method or load_registry(()).method("saliency"), job or recorder()

        def observe(image: torch.Tensor, network: torch.nn.Module | None) -> ObservedModel:
            return ObservedModel(convolutional if network is None else network, job, spec=spec)

        return Reruns(method, method.parameters(), targets, observe, lambda: lift(convolutional), job, **more)

    return make


def test_all_targets_take_their_heatmaps_from_one_run(reruns: Callable[..., Reruns], small_image: torch.Tensor) -> None:
    together, noisy = reruns(0, 1), small_image + 0.1
    for other in (None, Random(3)):
        for target in (0, 1):
            alone = reruns(target).of(target)(noisy, other)
            torch.testing.assert_close(together.of(target)(noisy.clone(), other), alone, rtol=0, atol=0)
    assert together.runs == [2, 2]
    assert together.forward_passes == 2
    together.of(0)(small_image, None)
    assert together.runs == [2, 2, 2], "another image is another run"


def test_what_a_measure_does_to_a_heatmap_the_next_does_not_see(
    reruns: Callable[..., Reruns], small_image: torch.Tensor
) -> None:
    again = reruns(0).of(0)
    seen = again(small_image, None).clone()
    again(small_image, None).zero_()
    assert torch.equal(again(small_image, None), seen)


def test_a_network_is_made_once_for_runs_that_follow_each_other_and_let_go(
    reruns: Callable[..., Reruns], small_image: torch.Tensor
) -> None:
    log: list[str] = []
    with reruns(0, 1) as runs:
        for seed, noise in ((0, 0.1), (0, 0.2), (0, 0.0), (1, 0.0)):
            runs.of(0)(small_image + noise, Random(seed, log))
        runs.of(1)(small_image, Random(0, log))
        assert log == ["made 0", "gone 0", "made 1"]
    assert log[-1] == "gone 1"


def test_without_room_every_target_has_runs_of_its_own(
    reruns: Callable[..., Reruns], small_image: torch.Tensor
) -> None:
    plane = 4 * 16 * 20
    runs = reruns(0, 1, room_bytes=3 * plane)
    for target in (0, 1):
        for noise in (0.1, 0.2):
            runs.of(target)(small_image + noise, None)
        runs.measured(target)
    assert runs.runs == [2, 1, 1], "the first run has room, of two the second has not; what was measured makes room"


def test_a_run_stops_where_the_job_does(
    reruns: Callable[..., Reruns], small_image: torch.Tensor, recorder: Callable[..., Any]
) -> None:
    job = recorder()
    job.cancel_at_check = 2
    with pytest.raises(Cancelled):
        reruns(0, job=job).of(0)(small_image, None)


def test_a_target_that_has_no_map_costs_the_others_neither_theirs_nor_more_runs(
    reruns: Callable[..., Reruns], small_image: torch.Tensor, convolutional: torch.nn.Module
) -> None:
    class Partly(type(load_registry(()).method("saliency"))):  # type: ignore[misc]
        def explain(self, model: Any, image: Any, targets: Any, params: Any, job: Any) -> Iterator[Attribution]:  # noqa: ANN401
            hook = convolutional.register_forward_hook(lambda *_: None)
            try:
                for target in targets:
                    yield Attribution(
                        target, torch.full(image.shape[1:], 1.0 if target else float("nan")), 1.0, final=True
                    )
            finally:
                hook.remove()

    runs = reruns(1, 0, 2, method=Partly())
    assert runs.of(1)(small_image, None).eq(1).all()
    with pytest.raises(InvalidResult, match="finite"):
        runs.of(0)(small_image, None)
    assert not convolutional._forward_hooks
    assert runs.of(2)(small_image, None).eq(1).all()
    assert runs.of(2)(small_image, None).eq(1).all()
    assert runs.runs == [3, 1, 1, 1], "one for all, then one for each"


def test_heatmaps_of_a_network_that_may_have_been_altered_are_forgotten(
    reruns: Callable[..., Reruns], small_image: torch.Tensor
) -> None:
    log: list[str] = []
    runs = reruns(0, 1)
    runs.of(0)(small_image, Random(0, log))
    runs.forget()
    runs.of(1)(small_image, Random(0, log))
    assert log == ["made 0", "gone 0", "made 0"]
