from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from captum.metrics import infidelity
from radiolucent.plugins import NotApplicable
from radiolucent.plugins.measures import Subject

Make = Callable[..., Subject]
Take = Callable[..., dict[str, float]]


def test_contributions_of_a_linear_network_foretell_everything(
    linear: type[torch.nn.Module], small_image: torch.Tensor, black: torch.Tensor, subject_of: Make, take: Take
) -> None:
    network = linear()
    right = network.contributions(small_image, black, 1)
    # Whatever the scale of the map, and of the output.
    for factor, sign in ((1.0, 1), (0.01, 1), (3.0, -1)):
        found = take("infidelity", subject_of(network, small_image, right * factor * sign))
        assert found["infidelity"] < 1e-6
        assert found["correlation"] == pytest.approx(sign, abs=1e-6)


def test_a_map_of_noise_foretells_little(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    noise = torch.randn(16, 20, generator=torch.Generator().manual_seed(0))
    found = take("infidelity", subject_of(linear(), small_image, noise), perturbations=200)
    assert found["infidelity"] > 0.7
    assert found["infidelity"] + found["correlation"] ** 2 == pytest.approx(1, abs=1e-9)


def test_a_constant_map_has_the_infidelity_that_every_map_is_told_beside(
    convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    constant = take("infidelity", subject_of(convolutional, small_image, torch.full((16, 20), 0.3)))
    other = take("infidelity", subject_of(convolutional, small_image))
    assert constant["infidelity"] == pytest.approx(constant["constant"]) == pytest.approx(other["constant"])


def test_the_scale_and_offset_of_the_output_do_not_matter(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    heatmap = torch.rand(16, 20, generator=torch.Generator().manual_seed(1))
    plain, scaled = (
        take("infidelity", subject_of(network, small_image, heatmap)) for network in (linear(), linear(10.0, 3.0))
    )
    assert scaled == pytest.approx(plain, abs=1e-5)


def test_it_is_captums_number_as_a_share_of_the_changes(
    convolutional: torch.nn.Module,
    small_image: torch.Tensor,
    black: torch.Tensor,
    subject_of: Make,
    take: Take,
) -> None:
    subject = subject_of(convolutional, small_image)
    seen: list[torch.Tensor] = []
    hook = subject.model.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].clone()))
    found = take("infidelity", subject)
    hook.remove()
    images = torch.cat(seen)[1:]
    gone = (images != small_image).double()
    theirs = infidelity(
        lambda batch: convolutional(batch.float())[:, 1].double(),
        lambda batch: (gone, images.double()),
        small_image.double(),
        subject.heatmap[None, None].double(),
        n_perturb_samples=len(images),
        normalize=True,
    )
    with torch.no_grad():
        changes = (convolutional(small_image) - convolutional(images))[:, 1].double()
    assert len(images) == 24
    assert found["infidelity"] == pytest.approx(float(theirs) / float(changes.square().mean()), rel=1e-4)


def test_maps_and_labels_share_the_hidden_squares(
    convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    known: dict[Any, Any] = {}
    take("infidelity", subject_of(convolutional, small_image, target=1, known=known))
    second = subject_of(convolutional, small_image, target=0, known=known)
    found = take("infidelity", second)
    assert second.model.forward_passes == 0
    assert found == take("infidelity", subject_of(convolutional, small_image, target=0))


def test_an_output_that_does_not_change_is_refused_with_words(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    with pytest.raises(NotApplicable, match="does not change when squares of the image are hidden"):
        take("infidelity", subject_of(linear(0.0, 2.0), small_image, torch.rand(16, 20)))
