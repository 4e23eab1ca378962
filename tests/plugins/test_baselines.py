"""The images that an X-ray is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.brightness import BrightnessStatistics
from radiolucent.plugins import Attribution, NotApplicable, ObservedModel, Registry
from radiolucent.plugins.methods.backgrounds import Background
from radiolucent.plugins.methods.baselines import BLUR, Baseline
from torch import nn

COLOUR = InputSpec(size=48, channels=3, mean=0.4, std=0.2)


def brightness(values: torch.Tensor, spec: InputSpec = COLOUR) -> torch.Tensor:
    return values.double() * spec.std + spec.mean


@pytest.fixture(scope="module")
def statistics() -> BrightnessStatistics:
    rows = np.linspace(0.2, 0.8, 16, dtype=np.float32)[None, :, None]
    films = rows + np.random.default_rng(0).uniform(-0.1, 0.1, (200, 16, 16)).astype(np.float32)
    found = BrightnessStatistics.of(films)
    assert found is not None
    return found


@pytest.fixture
def film() -> torch.Tensor:
    plane = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    return ((plane - COLOUR.mean) / COLOUR.std).expand(1, 3, 48, 64).clone()


@pytest.mark.parametrize("baseline", list(Baseline))
def test_a_baseline_looks_like_the_image_and_shares_nothing_with_it(
    film: torch.Tensor, statistics: BrightnessStatistics, baseline: Baseline
) -> None:
    before = film.clone()
    made = baseline.like(film, COLOUR, statistics=statistics)
    assert made.shape == film.shape
    assert made.dtype is torch.float32
    assert torch.equal(made[:, 0], made[:, 2])
    assert brightness(made).min() > -1e-6
    assert brightness(made).max() < 1 + 1e-6
    made += 1
    assert torch.equal(film, before)


@pytest.mark.parametrize(("baseline", "level"), [(Baseline.BLACK, 0.0), (Baseline.MID_GREY, 0.5)])
def test_black_and_grey_are_meant_before_normalisation(film: torch.Tensor, baseline: Baseline, level: float) -> None:
    torch.testing.assert_close(brightness(baseline.like(film, COLOUR)), torch.full_like(film, level).double())


def test_the_blur_is_scipys_with_nothing_outside(film: torch.Tensor) -> None:
    plane = brightness(film)[0, 0].numpy()
    sigma = BLUR * 48

    def blur(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        blurred: np.ndarray[Any, Any] = scipy.ndimage.gaussian_filter(values, sigma, mode="constant", truncate=4.3)
        return blurred

    expected = torch.from_numpy(blur(plane) / blur(np.ones_like(plane)))
    torch.testing.assert_close(brightness(Baseline.BLURRED.like(film, COLOUR))[0, 1], expected, atol=1e-4, rtol=0)


def test_a_blurred_uniform_image_is_itself() -> None:
    grey = torch.full((1, 1, 20, 30), 0.7)
    torch.testing.assert_close(Baseline.BLURRED.like(grey, InputSpec(size=20)), grey)


def test_the_training_mean_is_the_cards(film: torch.Tensor, statistics: BrightnessStatistics) -> None:
    made = brightness(Baseline.TRAINING_MEAN.like(film, COLOUR, statistics=statistics))[0, 0]
    cells = made.reshape(16, 3, 16, 4)[:, 1].mean(dim=2)
    torch.testing.assert_close(cells[1:-1], torch.tensor(statistics.mean).double()[1:-1], atol=0.02, rtol=0)


def test_noise_is_uniform_and_its_seed_decides_it_alone(film: torch.Tensor) -> None:
    state = torch.get_rng_state()
    one, same, other = (Baseline.UNIFORM_NOISE.like(film, COLOUR, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    values = brightness(one)[0, 0].flatten()
    assert float(values.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(values.std()) == pytest.approx(12**-0.5, abs=0.02)


def test_without_statistics_the_refusal_says_what_works(film: torch.Tensor) -> None:
    with pytest.raises(NotApplicable, match=r"no statistics .* these work: black, mid_grey, mean, blurred, uniform"):
        Baseline.TRAINING_MEAN.like(film, COLOUR)
    with pytest.raises(NotApplicable, match=r"no statistics .* these work: uniform_brightness, uniform_noise"):
        Background.TRAINING_STATISTICS.images(4, film, COLOUR)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_a_method_uses_the_statistics_of_its_network(
    registry: Registry,
    network: nn.Module,
    image: torch.Tensor,
    spec: InputSpec,
    recorder: type,
    statistics: BrightnessStatistics,
    method: str,
) -> None:
    def explain(baseline: str, statistics: BrightnessStatistics | None) -> list[Attribution]:
        model = ObservedModel(network, recorder(), spec=spec, image=image, statistics=statistics)
        params = registry.parameters(method, {"baseline": baseline})
        return list(registry.method(method).explain(model, image.clone(), (0,), params, recorder()))

    black, mean = (explain(one, statistics)[-1].values for one in ("black", "training_mean"))
    assert not torch.allclose(black, mean)
    with pytest.raises(NotApplicable, match="training_mean"):
        explain("training_mean", None)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_seed_of_a_noise_baseline_decides_the_map(
    explain: Callable[..., Any], image: torch.Tensor, method: str
) -> None:
    one, same, other = (
        explain(method, image, (0,), baseline="uniform_noise", seed=seed).final(0).values for seed in (5, 5, 6)
    )
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("background", list(Background))
def test_a_background_is_a_set_of_films_like_images(
    film: torch.Tensor, statistics: BrightnessStatistics, background: Background
) -> None:
    images = background.images(8, film, COLOUR, statistics=statistics, seed=3)
    assert images.shape == (8, *film.shape[1:])
    assert brightness(images).min() > -1e-6
    assert brightness(images).max() < 1 + 1e-6
    assert len({one.numpy().tobytes() for one in images}) == 8
    assert torch.equal(images, background.images(8, film, COLOUR, statistics=statistics, seed=3))


def test_images_from_the_statistics_have_their_mean_and_spread(statistics: BrightnessStatistics) -> None:
    grid = torch.zeros(1, 1, 16, 16)
    images = Background.TRAINING_STATISTICS.images(2000, grid, InputSpec(size=16), statistics=statistics)
    torch.testing.assert_close(images.mean(dim=0)[0], torch.tensor(statistics.mean), atol=0.01, rtol=0)
    torch.testing.assert_close(images.std(dim=0)[0], torch.tensor(statistics.std), atol=0.01, rtol=0)
