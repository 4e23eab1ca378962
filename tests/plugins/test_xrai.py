"""XRAI: its regions, its order, and that of its authors' library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Cancelled, InvalidParameters, load_registry
from radiolucent.plugins.methods.regions import regions
from saliency.core import xrai as library
from torch import nn

Explain = Callable[..., Any]
PLAIN = InputSpec(size=104)
SHAPE = (1, 104, 112)
SCALES = (50.0, 100.0, 150.0, 250.0, 500.0, 1200.0)


def film() -> torch.Tensor:
    """Three bright discs on a dark ground with a gradient."""
    rows, columns = torch.meshgrid(torch.arange(104), torch.arange(112), indexing="ij")
    plane = 0.1 + 0.1 * rows / 104
    for row, column, brightness in ((25, 30, 0.9), (75, 30, 0.7), (50, 85, 0.8)):
        plane = torch.where((rows - row) ** 2 + (columns - column) ** 2 < 15**2, torch.tensor(brightness), plane)
    return plane[None, None]


class Discs(nn.Module):
    """Output 0 sees the first disc, output 1 the second, output 2 is lowered by the third."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [
                batch[:, 0, 15:35, 20:40].square().sum(dim=(1, 2)),
                batch[:, 0, 65:85, 20:40].sum(dim=(1, 2)),
                -batch[:, 0, 40:60, 75:95].sum(dim=(1, 2)),
            ],
            dim=1,
        )


@pytest.fixture
def discs(traced: Callable[..., nn.Module]) -> nn.Module:
    return traced(Discs(), SHAPE)


def test_the_region_that_matters_comes_first(explain: Explain, discs: nn.Module) -> None:
    result = explain("xrai", film(), (0, 1, 2), on=discs, spec=PLAIN, steps=10)
    first, second, third = (result.final(target).values[0] for target in (0, 1, 2))
    assert first[25, 30] == first.max() > 0.85
    assert second[75, 30] == second.max() > 0.85
    assert third[75, 30] > third[50, 85] == third.min() == 0


def test_values_say_how_much_of_the_image_ranks_behind(explain: Explain, discs: nn.Module) -> None:
    values = explain("xrai", film(), (0,), on=discs, spec=PLAIN, steps=10).final(0).values[0]
    for level in values.unique().tolist():
        assert float((values >= level).double().mean()) == pytest.approx(1 - level, abs=1e-6)


def test_regions_are_those_of_the_library() -> None:
    brightness = film()[0, 0].double().numpy()
    ours = regions(brightness, SCALES, 150, 5)
    # The library keeps regions that are lost on the way back from 224 pixels, and skips them later.
    theirs = [mask for mask in library._get_segments_felzenszwalb(brightness) if mask.any()]
    assert len(ours) == len(theirs)
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert np.logical_or.reduce(ours).all()


def test_the_order_is_that_of_the_library_from_captums_integrated_gradients(explain: Explain, discs: nn.Module) -> None:
    image = film()
    shares = [
        captum.attr.IntegratedGradients(discs).attribute(image, baselines=end, target=0, n_steps=10)[0, 0]
        for end in (0.0, 1.0)
    ]
    order = library.XRAI().GetMaskWithDetails(
        image[0, 0].double().numpy(),
        None,
        base_attribution=((shares[0] + shares[1]) / 2).double().numpy(),
        extra_parameters=library.XRAIParameters(return_xrai_segments=True),
    )
    ours = explain("xrai", image, (0,), on=discs, spec=PLAIN, steps=10).final(0).values[0].numpy()
    ranks = order.segments
    levels = [ours[ranks == rank] for rank in range(1, ranks.max() + 1)]
    assert all(np.ptp(level) == 0 for level in levels)
    assert all(np.diff([level[0] for level in levels]) < 0)


def test_a_uniform_image_is_one_region(explain: Explain, discs: nn.Module) -> None:
    values = explain("xrai", torch.full((1, *SHAPE), 0.5), (0,), on=discs, spec=PLAIN, steps=2).final(0).values
    assert torch.equal(values, torch.zeros(SHAPE))


def test_normalisation_does_not_change_the_ranking(explain: Explain, traced: Callable[..., nn.Module]) -> None:
    spec = InputSpec(size=104, channels=3, mean=0.4, std=0.2)

    class Normalised(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return Discs()(batch.mean(dim=1, keepdim=True) * 0.2 + 0.4)

    image = ((film() - 0.4) / 0.2).expand(1, 3, -1, -1).clone()
    ours = explain("xrai", image, (0,), on=traced(Normalised(), (3, 104, 112)), spec=spec, steps=10).final(0).values
    plain = explain("xrai", film(), (0,), on=traced(Discs(), SHAPE), spec=PLAIN, steps=10).final(0).values
    torch.testing.assert_close(ours, plain.expand(3, -1, -1))


def test_partial_rankings_come_early_and_approach_the_final_one(explain: Explain, image: torch.Tensor) -> None:
    smooth = nn.functional.interpolate(image[..., ::8, ::8], size=image.shape[-2:], mode="bicubic")
    result = explain("xrai", smooth, range(5), steps=30)
    assert result.maps[0].fraction < 0.2
    done = [one for one, _ in result.job.reports]
    assert done == sorted(set(done))
    assert done[-1] == result.cost
    curves = [
        [
            float(torch.corrcoef(torch.stack([p.values.flatten(), result.final(target).values.flatten()]))[0, 1])
            for p in result.partial(target)
        ]
        for target in range(5)
    ]
    mean = np.mean(curves, axis=0)
    assert mean[-1] > 0.95
    assert mean[-1] > mean[0]


def test_targets_share_forward_passes_and_bits_repeat(explain: Explain, image: torch.Tensor) -> None:
    one, two = explain("xrai", image, (3,), steps=6), explain("xrai", image, (1, 3), steps=6)
    assert one.model.forward_passes == two.model.forward_passes == 12
    assert torch.equal(one.final(3).values, two.final(3).values)
    assert torch.equal(one.final(3).values, explain("xrai", image, (3,), steps=6).final(3).values)


@pytest.mark.parametrize("check", [1, 2, 6])
def test_cancellation_stops_at_once(explain: Explain, image: torch.Tensor, recorder: type, check: int) -> None:
    job = recorder(cancel_at_check=check)
    with pytest.raises(Cancelled):
        explain("xrai", image, job=job)
    assert job.checks == check


def test_scales_come_as_a_list_and_wrong_ones_are_named() -> None:
    registry = load_registry(())
    assert registry.parameters("xrai", {"scales": [30, 60.5]}).model_dump()["scales"] == (30, 60.5)
    for wrong in ([], [0], [-1], ["50"], [1.0] * 13, 50):
        with pytest.raises(InvalidParameters, match="scales"):
            registry.parameters("xrai", {"scales": wrong})
