"""The vote as one network, and what each network gets to see of a perturbed image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.handlers import Calibration, InputSpec, preprocess, served_probabilities
from radiolucent.handlers.decode import decode
from radiolucent.handlers.image import XRay
from radiolucent.handlers.vote import vote
from radiolucent.plugins import Cancelled, Output, load_registry
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    ModelRef,
    VoterRef,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
)
from radiolucent.server.engine.vote import VoteNetwork, Voter
from torch import nn

SPECS = (InputSpec(size=20), InputSpec(size=28, channels=3, mean=0.4, std=0.2), InputSpec(size=28), InputSpec(size=28))
CALIBRATIONS = (
    None,
    Calibration(method="platt", scale=(0.5, 2.0, 1.5), offset=(-0.3, 0.4, 0.2)),
    Calibration(method="temperature", scale=(3.0, 3.0, 3.0), offset=(0, 0, 0)),
    None,
)
THRESHOLDS = ((0.5, 0.5, 0.5), (0.45, 0.55, 0.5), (0.5, 0.5, 0.6), (0.4, 0.5, 0.5))


class Sees(nn.Module):
    """Remembers what it saw; its logits are the means of three bands of rows."""

    seen: torch.Tensor

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen = batch
        return torch.stack([band.mean(dim=(1, 2, 3)) for band in batch.split(10, dim=2)[:2]] * 2, dim=1)[:, :3]


def film(height: int = 96, width: int = 96) -> XRay:
    pixels = np.random.default_rng(3).random((height, width)).astype(np.float32)
    return XRay(pixels, "png")


def make_vote(
    xray: XRay, specs: tuple[InputSpec, ...], output: Output = Output.VOTES, grid: int = 1
) -> tuple[VoteNetwork, list[Sees], torch.Tensor]:
    prepared = [preprocess(xray, spec) for spec in specs]
    networks = [Sees() for _ in specs]
    voters = [
        Voter(network, spec, (0.5, 0.5, 0.5), seen)
        for network, spec, seen in zip(networks, specs, prepared, strict=True)
    ]
    vote_network = VoteNetwork(voters, (xray.height, xray.width), prepared[grid], specs[grid], output, lambda: None)
    return vote_network, networks, torch.from_numpy(prepared[grid].tensor)[None]


def test_the_unperturbed_film_reaches_every_network_bit_by_bit() -> None:
    xray = film(90, 71)
    vote_network, networks, image = make_vote(xray, SPECS)
    vote_network(image)
    for network, spec in zip(networks, SPECS, strict=True):
        np.testing.assert_array_equal(network.seen[0].numpy(), preprocess(xray, spec).tensor)


@pytest.mark.parametrize(
    ("large", "small"),
    [
        (InputSpec(size=48), InputSpec(size=24)),
        (InputSpec(size=48, channels=3, mean=0.3, std=0.5), InputSpec(size=24, mean=0.6, std=0.1)),
        (InputSpec(size=48), InputSpec(size=24, channels=3)),
    ],
)
def test_a_hidden_place_is_hidden_from_all_and_the_rest_is_what_they_saw(large: InputSpec, small: InputSpec) -> None:
    """As if the film itself were black there: the same everywhere but where the filter reaches over the edge."""
    xray = film()
    vote_network, networks, image = make_vote(xray, (small, large))
    image[:, :, 16:32, 8:24] = (0 - large.mean) / large.std
    vote_network(image)
    painted = xray.pixels.copy()
    painted[32:64, 16:48] = 0
    expected = preprocess(replace(xray, pixels=painted), small).tensor
    seen = networks[0].seen[0].numpy()
    assert seen.shape == expected.shape
    edge = np.ones((24, 24), dtype=bool)
    edge[7:17, 3:13] = False
    inside = np.zeros_like(edge)
    inside[9:15, 5:11] = True
    away = edge | inside
    np.testing.assert_allclose(seen[:, away], expected[:, away], atol=2e-5)
    assert np.abs(seen - expected).max() * small.std < 0.3


def test_a_network_on_the_perturbed_grid_sees_it_as_it_is() -> None:
    vote_network, networks, image = make_vote(film(), (SPECS[2], SPECS[1]), grid=0)
    image = torch.lerp(image, torch.rand_like(image), 0.3)
    vote_network(image)
    torch.testing.assert_close(networks[0].seen, image, rtol=0, atol=0)
    brightness = networks[1].seen * 0.2 + 0.4
    torch.testing.assert_close(
        brightness, (image * SPECS[2].std + SPECS[2].mean).expand(-1, 3, -1, -1), rtol=0, atol=1e-6
    )


def test_resampling_costs_nothing_where_all_grids_are_the_same_and_is_measured_elsewhere() -> None:
    assert make_vote(film(), SPECS[1:], grid=0)[0].resampling_error(0) == 0
    vote_network, _, _ = make_vote(film(), (SPECS[0], SPECS[1]))
    # The logits are means, which resampling hardly changes; a network that looks at one pixel notices.
    vote_network.networks[0].forward = lambda batch: (batch[:, 0, 5, 5:8] - 0.5) * 20  # type: ignore[method-assign]
    assert 0.01 < vote_network.resampling_error(0) < 1
    assert vote_network.resampling_error(0) != vote_network.resampling_error(1)


@pytest.fixture
def voters(tmp_path: Path) -> tuple[VoterRef, ...]:
    """Four networks of three sizes that do not agree."""
    found = []
    for number, (spec, thresholds, calibration) in enumerate(zip(SPECS, THRESHOLDS, CALIBRATIONS, strict=True)):
        torch.manual_seed(number)
        network = nn.Sequential(
            nn.Conv2d(spec.channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 3)
        )
        path = tmp_path / f"{number}.pt"
        torch.jit.trace(network.eval(), torch.rand(2, spec.channels, spec.size, spec.size)).save(str(path))
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(VoterRef(ModelRef(f"net{number}", 1, path, checksum, spec, calibration=calibration), thresholds))
    return tuple(found)


def run(task: ItemTask, cancelled: Callable[[], bool] = lambda: False) -> list[WorkerEvent]:
    events: list[WorkerEvent] = []
    Explainer(load_registry(())).run(task, events.append, cancelled)
    return events


def votes_task(png: bytes, voters: tuple[VoterRef, ...], **changes: Any) -> ItemTask:  # noqa: ANN401
    task = ItemTask("job", "item", png, voters[1].model, "occlusion", {}, (0, 1, 2), output=Output.VOTES, voters=voters)
    return replace(task, **changes)


@pytest.mark.parametrize("output", [Output.VOTES, Output.PROBABILITY])
def test_the_explained_value_is_what_the_vote_says(png: bytes, voters: tuple[VoterRef, ...], output: Output) -> None:
    served = []
    for one in voters:
        tensor = preprocess(decode(png), one.model.input).tensor
        with torch.no_grad():
            logits = torch.jit.load(one.model.path)(torch.from_numpy(tensor)[None])[0].numpy()
        served.append(served_probabilities(logits, one.model.calibration))
    answer = vote(np.stack(served), [one.thresholds for one in voters])
    events = run(votes_task(png, voters, output=output, want_input=True))
    assert isinstance(events[-1], WorkerDone)
    assert isinstance(events[0], WorkerInput)
    assert events[0].tensor.shape == (3, 28, 28)
    finals = [event for event in events if isinstance(event, WorkerMap) and event.final]
    assert len(finals) == 3
    for one in finals:
        expected = answer.votes[one.target] / 4 if output is Output.VOTES else answer.mean[one.target]
        assert one.output_value == pytest.approx(expected, abs=1e-6)
        assert one.heatmap.shape == (28, 28)
        assert one.resampling_error is not None
        assert 0 < one.resampling_error < 0.5
    assert len({float(value) for value in answer.votes}) > 1, "the networks shall not all agree"


def test_a_perturbation_explains_the_drop_of_the_mean_probability(png: bytes, voters: tuple[VoterRef, ...]) -> None:
    """One window over everything: the drop is that from the film to black, for all networks together."""
    task = votes_task(png, voters, output=Output.PROBABILITY, parameters={"window": 28, "stride": 28})
    black, whole = [], []
    for one in voters:
        spec = one.model.input
        network = torch.jit.load(one.model.path)
        tensor = torch.from_numpy(preprocess(decode(png), spec).tensor)[None]
        with torch.no_grad():
            calibration = one.model.calibration
            whole.append(served_probabilities(network(tensor).numpy(), calibration)[0])
            dark = torch.full_like(tensor, (0 - spec.mean) / spec.std)
            black.append(served_probabilities(network(dark).numpy(), calibration)[0])
    drop = (np.stack(whole) - np.stack(black)).mean(axis=0)
    for one in run(task):
        if isinstance(one, WorkerMap) and one.final:
            np.testing.assert_allclose(one.heatmap, float(drop[one.target]), atol=1e-5)


@pytest.mark.parametrize("method", ["rise", "feature_ablation", "lime", "kernel_shap"])
def test_methods_that_need_forward_passes_alone_explain_a_vote(
    png: bytes, voters: tuple[VoterRef, ...], method: str
) -> None:
    few = {"rise": {"masks": 12}, "lime": {"segments": 4, "samples": 12}, "kernel_shap": {"segments": 4, "samples": 20}}
    events = run(votes_task(png, voters, method=method, parameters=few.get(method, {"segments": 4}), targets=(0,)))
    assert isinstance(events[-1], WorkerDone), events[-1]


def test_methods_that_need_more_refuse_by_name(png: bytes, voters: tuple[VoterRef, ...]) -> None:
    [failure] = run(votes_task(png, voters, method="saliency"))
    assert isinstance(failure, WorkerFailure)
    assert failure.reason is FailureReason.NOT_APPLICABLE
    assert "saliency" in failure.message
    assert "majority vote has no gradient" in failure.message


def test_a_cancellation_stops_before_the_next_network() -> None:
    asked = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 2:
            raise Cancelled

    vote_network, networks, image = make_vote(film(), SPECS)
    vote_network._check = check  # as the worker gives it
    with pytest.raises(Cancelled):
        vote_network(image)
    assert hasattr(networks[0], "seen")
    assert not hasattr(networks[1], "seen")
