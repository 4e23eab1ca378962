"""Feature ablation, LIME and KernelSHAP: closed forms, Captum's numbers, and what partial maps promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from math import comb
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Cancelled
from radiolucent.plugins.methods.kernel_shap import coalitions, shapley_regression
from radiolucent.plugins.methods.lime import lime_samples, lime_weights
from radiolucent.plugins.methods.segments import SegmentParameters, Segments
from torch import nn

Explain = Callable[..., Any]
PLAIN = InputSpec(size=16)
SMALL = (1, 16, 16)
METHODS: list[tuple[str, dict[str, object]]] = [
    ("feature_ablation", {"segments": 60}),
    ("lime", {"segments": 30, "samples": 300}),
    ("kernel_shap", {"segments": 30, "samples": 300}),
]
NAMES = [name for name, _ in METHODS]


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(2, *SMALL, generator=torch.Generator().manual_seed(3)))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,tchw->nt", batch, self.weight) + 1


@pytest.fixture
def small() -> torch.Tensor:
    return torch.rand(1, *SMALL, generator=torch.Generator().manual_seed(4))


def segments_of(image: torch.Tensor, spec: InputSpec = PLAIN, **values: object) -> Segments:
    return SegmentParameters.model_validate(values).cut(image, spec)


def per_segment(values: torch.Tensor, segments: Segments) -> torch.Tensor:
    """Read off the value of each segment, after checking that it has one."""
    plane = values[0]
    first = torch.stack([plane[segments.labels == one][0] for one in range(segments.count)])
    assert torch.equal(plane, first[segments.labels])
    return first


@pytest.mark.parametrize(
    ("method", "parameters", "tolerance"),
    [
        ("feature_ablation", {}, 1e-5),
        ("lime", {"samples": 200, "regularisation": 0}, 1e-5),
        ("kernel_shap", {"samples": 200}, 1e-5),
        ("kernel_shap", {"samples": 1022}, 1e-5),
    ],
)
@pytest.mark.parametrize("segmentation", ["slic", "grid"])
def test_a_linear_model_is_recovered_segment_by_segment(
    explain: Explain,
    traced: Callable[..., nn.Module],
    small: torch.Tensor,
    method: str,
    parameters: dict[str, object],
    tolerance: float,
    segmentation: str,
) -> None:
    network = Linear()
    segments = segments_of(small, segmentation=segmentation, segments=10)
    values = {"segmentation": segmentation, "segments": 10, "baseline": "mid_grey", **parameters}
    result = explain(method, small, (0, 1), on=traced(network, SMALL), spec=PLAIN, **values)
    shares = network.weight[:, 0] * (small[0, 0] - 0.5)
    for target in (0, 1):
        exact = torch.stack([shares[target][segments.labels == one].sum() for one in range(segments.count)])
        found = per_segment(result.final(target).values, segments)
        if method == "kernel_shap":
            found = found * segments.areas
        torch.testing.assert_close(found.float(), exact, rtol=0, atol=tolerance)


class Tangled(nn.Module):
    """Outputs in which the parts of the image act together: products, a kink, a maximum."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        parts = nn.functional.adaptive_avg_pool2d(batch[:, 0], (2, 4)).flatten(1)
        return torch.stack(
            [
                (parts[:, 0] * parts[:, 1] * 5 + torch.relu(parts[:, 2] + parts[:, 7] - 0.6)),
                parts.amax(dim=1) - parts[:, 3] * parts[:, 4] * parts[:, 5],
            ],
            dim=1,
        )


def shapley_values(gain: Callable[[tuple[int, ...]], torch.Tensor], count: int) -> torch.Tensor:
    """Enumerate: the mean over all orders of what each adds to those before it."""
    values = []
    for one in range(count):
        others = [other for other in range(count) if other != one]
        value = torch.zeros(2, dtype=torch.float64)
        for size in range(count):
            for before in combinations(others, size):
                value += (gain((*before, one)) - gain(before)) / (count * comb(count - 1, size))
        values.append(value)
    return torch.stack(values, dim=1)


@pytest.mark.parametrize("segments", [2, 5, 8])
def test_kernel_shap_of_few_segments_is_shapleys_value_by_enumeration(
    explain: Explain, traced: Callable[..., nn.Module], small: torch.Tensor, segments: int
) -> None:
    network = Tangled()
    pieces = segments_of(small, segmentation="grid", segments=segments)
    baseline = torch.zeros_like(small)
    known: dict[tuple[int, ...], torch.Tensor] = {}

    def gain(members: tuple[int, ...]) -> torch.Tensor:
        key = tuple(sorted(members))
        if key not in known:
            present = torch.zeros(1, pieces.count, dtype=torch.bool)
            present[0, list(key)] = True
            known[key] = network(pieces.show(small, baseline, present))[0].double()
        return known[key]

    exact = shapley_values(gain, pieces.count)
    result = explain(
        "kernel_shap",
        small,
        (0, 1),
        on=traced(network, SMALL),
        spec=PLAIN,
        segmentation="grid",
        segments=segments,
        samples=300,
    )
    assert result.model.forward_passes == 2**pieces.count
    for target in (0, 1):
        found = per_segment(result.final(target).values, pieces) * pieces.areas
        torch.testing.assert_close(found, exact[target], rtol=0, atol=1e-5)


def test_kernel_shap_of_a_sample_comes_close_to_shapleys_value(
    explain: Explain, traced: Callable[..., nn.Module], small: torch.Tensor
) -> None:
    network = traced(Tangled(), SMALL)
    common = {"on": network, "spec": PLAIN, "segmentation": "grid", "segments": 12}
    exact = explain("kernel_shap", small, (0,), samples=4094, batch_size=256, **common).final(0).values
    errors = {
        samples: np.mean(
            [
                float(
                    (
                        explain("kernel_shap", small, (0,), samples=samples, seed=seed, **common).final(0).values
                        - exact
                    ).norm()
                )
                for seed in range(4)
            ]
        )
        for samples in (50, 800)
    }
    assert errors[800] < 0.1 * float(exact.norm())
    assert errors[800] < 0.5 * errors[50]


@pytest.mark.parametrize("baseline", ["black", "mean", "uniform_noise"])
def test_kernel_shap_sums_to_the_change_of_the_output(
    explain: Explain, network: nn.Module, image: torch.Tensor, baseline: str
) -> None:
    result = explain("kernel_shap", image, (0, 3), baseline=baseline, samples=200, segments=40)
    for target in (0, 3):
        final = result.final(target)
        assert final.convergence_delta == pytest.approx(0, abs=1e-5)
    if baseline == "black":
        with torch.no_grad():
            change = network(image) - network(torch.full_like(image, -2.0))
        assert float(final.values.sum()) == pytest.approx(float(change[0, 3]), abs=1e-5)


@pytest.mark.parametrize("segmentation", ["slic", "felzenszwalb", "grid"])
def test_feature_ablation_equals_captums(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec, segmentation: str
) -> None:
    ours = explain("feature_ablation", image, (1, 3), segmentation=segmentation, segments=30)
    labels = segments_of(image, spec, segmentation=segmentation, segments=30).labels
    for target in (1, 3):
        theirs = captum.attr.FeatureAblation(network).attribute(
            image, baselines=spec.black, target=target, feature_mask=labels[None, None], perturbations_per_eval=16
        )
        torch.testing.assert_close(ours.final(target).values, theirs[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("regularisation", [0.1, 1.0, 20.0])
def test_lime_equals_captums_on_the_same_samples(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec, regularisation: float
) -> None:
    settings = {"segments": 20, "samples": 150}
    ours = explain("lime", image, (1, 3), regularisation=regularisation, kernel_width=0.4, seed=7, **settings)
    segments = segments_of(image, spec, segments=20)

    def perturb(original: torch.Tensor, **_: object) -> Iterator[torch.Tensor]:
        yield from lime_samples(segments.count, 150, 7).long().split(1)

    def similarity(original: torch.Tensor, perturbed: torch.Tensor, sample: torch.Tensor, **_: object) -> torch.Tensor:
        return lime_weights(sample.bool(), 0.4)

    lime = captum.attr.Lime(
        network,
        interpretable_model=SkLearnRidge(alpha=regularisation),
        similarity_func=similarity,
        perturb_func=perturb,
    )
    for target in (1, 3):
        theirs = lime.attribute(
            image,
            baselines=spec.black,
            target=target,
            feature_mask=segments.labels[None, None],
            n_samples=150,
            perturbations_per_eval=16,
        )
        torch.testing.assert_close(ours.final(target).values, theirs[0], rtol=1e-3, atol=1e-5)


def test_limes_kernel_is_that_of_the_authors_package() -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    present = lime_samples(13, 40, 0)
    distances = sklearn_metrics.pairwise_distances(present.double(), present[:1].double(), metric="cosine").ravel()
    expected = np.sqrt(np.exp(-(distances**2) / 0.25**2))
    np.testing.assert_allclose(lime_weights(present, 0.25).numpy(), expected, atol=1e-12)


def test_kernel_shap_equals_captums_on_the_same_samples(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec
) -> None:
    ours = explain("kernel_shap", image, (1, 3), segments=15, samples=200, seed=5)
    segments = segments_of(image, spec, segments=15)

    class Same(captum.attr.KernelShap):
        def kernel_shap_perturb_generator(self, original_inp: torch.Tensor, **_: object) -> Iterator[torch.Tensor]:
            yield torch.ones(1, segments.count, dtype=torch.long)
            yield torch.zeros(1, segments.count, dtype=torch.long)
            yield from coalitions(segments.count, 200, 5)[0].long().split(1)

    shap = Same(network)
    shap.perturb_func = shap.kernel_shap_perturb_generator
    for target in (1, 3):
        theirs = shap.attribute(
            image,
            baselines=spec.black,
            target=target,
            feature_mask=segments.labels[None, None],
            n_samples=202,
            perturbations_per_eval=16,
        )
        values = per_segment(theirs[0], segments)
        found = per_segment(ours.final(target).values, segments) * segments.areas
        # Captum asks for the sum with a large weight only, in float32.
        assert float((found - values).abs().max()) < 2e-3 * float(values.abs().max())


def test_coalitions_are_drawn_as_the_shapley_kernel_weighs_them() -> None:
    present, weights = coalitions(12, 4000, 0)
    assert torch.equal(present[::2], ~present[1::2])
    assert torch.equal(weights, torch.ones(4000, dtype=torch.float64))
    sizes = torch.bincount(present.sum(dim=1), minlength=13).double() / 4000
    odds = torch.tensor([0.0, *(1 / (size * (12 - size)) for size in range(1, 12)), 0.0], dtype=torch.float64)
    torch.testing.assert_close(sizes, odds / odds.sum(), rtol=0, atol=0.03)
    assert (present.double().mean(dim=0) - 0.5).abs().max() < 1e-9


@pytest.mark.parametrize("count", [2, 3, 7])
def test_all_coalitions_are_tried_once_where_they_are_few(count: int) -> None:
    present, weights = coalitions(count, 500, 0)
    assert sorted(map(tuple, present.int().tolist())) == sorted(
        tuple(int(bit) for bit in f"{code:0{count}b}") for code in range(1, 2**count - 1)
    )
    assert weights.shape == (2**count - 2,)


def test_one_segment_gets_the_whole_change() -> None:
    present, weights = coalitions(1, 500, 0)
    values = shapley_regression(present, torch.zeros(0, 2).double(), weights, torch.tensor([3.0, -1.0]).double())
    assert values.tolist() == [[3.0], [-1.0]]


@pytest.mark.parametrize("method", NAMES)
def test_an_image_that_is_one_segment_is_explained(explain: Explain, method: str) -> None:
    flat = torch.full((1, 1, 40, 52), 0.5)
    result = explain(
        method, flat, (0,), segmentation="felzenszwalb", segments=10, **({} if method == NAMES[0] else {"samples": 60})
    )
    assert result.final(0).values.unique().numel() == 1


@pytest.mark.parametrize(("method", "parameters"), METHODS)
def test_all_targets_share_the_forward_passes(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    one, five = explain(method, image, (3,), **parameters), explain(method, image, range(5), **parameters)
    assert one.model.forward_passes == five.model.forward_passes <= one.cost == five.cost
    torch.testing.assert_close(one.final(3).values, five.final(3).values)


@pytest.mark.parametrize(("method", "parameters"), METHODS)
def test_a_seed_decides_the_bits_and_global_random_numbers_do_not(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = explain(method, image, seed=4, **parameters)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = explain(method, image, seed=4, **parameters)
    assert all(torch.equal(a.values, b.values) for a, b in zip(one.maps, again.maps, strict=True))
    noisy = {"baseline": "uniform_noise"} if method == "feature_ablation" else {}
    here, there = (explain(method, image, seed=seed, **parameters, **noisy) for seed in (4, 5))
    assert not torch.equal(here.final(1).values, there.final(1).values)


@pytest.mark.parametrize(("method", "parameters"), METHODS)
@pytest.mark.parametrize("check", [1, 2, 5])
def test_cancellation_stops_at_the_next_forward_pass(
    explain: Explain, image: torch.Tensor, recorder: type, method: str, parameters: dict[str, object], check: int
) -> None:
    job = recorder(cancel_at_check=check)
    with pytest.raises(Cancelled):
        explain(method, image, job=job, **parameters)
    assert job.checks == check


@pytest.mark.parametrize(("method", "parameters"), METHODS)
def test_partial_maps_come_early_and_near_the_final_one(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    # Smooth, so that segments that lie together act alike, as in a film.
    image = nn.functional.interpolate(image[..., ::8, ::8], size=image.shape[-2:], mode="bicubic")
    curves = []
    for seed in range(3):
        result = explain(method, image, range(5), seed=seed, **parameters)
        fractions = [one.fraction for one in result.partial(0)]
        assert fractions[0] < 0.2
        assert fractions == sorted(set(fractions))
        assert all(one.convergence_delta is None for one in result.maps if not one.final)
        for target in range(5):
            final = result.final(target).values.flatten()
            curves.append(
                [float(torch.corrcoef(torch.stack([p.values.flatten(), final]))[0, 1]) for p in result.partial(target)]
            )
    mean = np.mean(curves, axis=0)
    assert mean[-1] > 0.95
    assert mean[-1] > mean[0] + 0.1
    assert np.diff(mean).min() > -0.03


@pytest.mark.parametrize(("method", "parameters"), METHODS)
def test_progress_ends_at_the_cost(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    result = explain(method, image, **parameters)
    done = [one for one, _ in result.job.reports]
    assert {total for _, total in result.job.reports} == {result.cost}
    assert done == sorted(set(done))
    assert done[-1] == result.cost


@pytest.mark.parametrize("method", NAMES)
def test_a_method_sees_only_what_its_target_looks_at(
    explain: Explain, traced: Callable[..., nn.Module], small: torch.Tensor, method: str
) -> None:
    class Halves(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.stack([batch[..., :8].square().sum(dim=(1, 2, 3)), batch[..., 8:].sum(dim=(1, 2, 3))], dim=1)

    values = {"segmentation": "grid", "segments": 16, **({} if method == "feature_ablation" else {"samples": 400})}
    result = explain(method, small + 0.1, (0, 1), on=traced(Halves(), SMALL), spec=PLAIN, **values)
    left, right = result.final(0).values[0].abs(), result.final(1).values[0].abs()
    assert left[:, :8].min() > 5 * left[:, 8:].max()
    assert right[:, 8:].min() > 5 * right[:, :8].max()


@pytest.mark.parametrize("method", NAMES)
def test_three_channels_are_hidden_together(
    explain: Explain, traced: Callable[..., nn.Module], spec: InputSpec, method: str
) -> None:
    torch.manual_seed(2)
    colour = traced(nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20 * 20, 2)), (3, 24, 24))
    image = torch.rand(1, 1, 24, 24).expand(1, 3, -1, -1).clone()
    values = explain(method, image, (0,), on=colour, spec=spec, segments=12).final(0).values
    assert torch.equal(values[0], values[1])
    assert torch.equal(values[0], values[2])
