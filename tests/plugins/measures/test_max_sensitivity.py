from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum.attr import InputXGradient
from captum.metrics import sensitivity_max
from radiolucent.handlers import InputSpec
from radiolucent.plugins import NotApplicable
from radiolucent.plugins.measures import OtherNetwork, Subject

Make = Callable[..., Subject]
Take = Callable[..., dict[str, float]]


def test_a_method_that_ignores_the_image_is_not_sensitive(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    subject = subject_of(linear(), small_image, again=lambda image, network: torch.full((16, 20), 0.7))
    assert take("max_sensitivity", subject) == {"max_sensitivity": 0.0}


def test_it_is_the_largest_change_relative_to_the_map(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take, spec: InputSpec
) -> None:
    seen: list[torch.Tensor] = []

    def plane(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        assert network is None
        seen.append(image)
        return image[0, 0]

    subject = subject_of(linear(), small_image, again=plane)
    seen.clear()
    found = take("max_sensitivity", subject, perturbations=6, radius=0.1)["max_sensitivity"]
    changes = [float((image - small_image).norm() / small_image.norm()) for image in seen]
    assert len(set(changes)) == 6
    assert found == pytest.approx(max(changes), rel=1e-6)
    assert 0.3 < max(float((image - small_image).abs().max()) for image in seen) <= 0.1 / spec.std + 1e-6


def test_it_is_captums_number(
    convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    method = InputXGradient(convolutional)
    seen: list[torch.Tensor] = []

    def again(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        seen.append(image.clone())
        values: torch.Tensor = method.attribute(image.clone().requires_grad_(), target=1)
        return values[0, 0].detach()

    subject = subject_of(convolutional, small_image, again=again)
    seen.clear()
    found = take("max_sensitivity", subject)["max_sensitivity"]
    noisy = iter(list(seen))

    def attribute(images: tuple[torch.Tensor, ...] | torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch = images if isinstance(images, torch.Tensor) else images[0]
        with torch.enable_grad():
            return (method.attribute(batch.detach().requires_grad_(), target=1),)

    theirs = sensitivity_max(
        attribute, small_image, lambda _: next(noisy), n_perturb_samples=4, max_examples_per_batch=1
    )
    assert found == pytest.approx(float(theirs), rel=1e-5)


def test_a_map_that_breaks_on_a_noisy_copy_is_refused_with_words(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    def breaks(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        return torch.full((16, 20), 1.0 if torch.equal(image, small_image) else float("nan"))

    with pytest.raises(NotApplicable, match="not finite"):
        take("max_sensitivity", subject_of(linear(), small_image, again=breaks))
