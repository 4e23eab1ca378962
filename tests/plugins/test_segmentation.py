"""Images are cut into few pieces, along what they show, and always alike."""

from __future__ import annotations

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import InvalidParameters, NotApplicable, load_registry
from radiolucent.plugins.methods.segments import SegmentParameters, Segments
from radiolucent.plugins.methods.superpixels import Segmentation
from torch.nn import functional

SPEC = InputSpec(size=48, mean=0.5, std=0.25)


def smooth(height: int = 48, width: int = 64, channels: int = 1) -> torch.Tensor:
    seeds = torch.rand(1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    planes = functional.interpolate(seeds, size=(height, width), mode="bicubic").clamp(0, 1)
    return ((planes - 0.5) / 0.25).expand(1, channels, -1, -1).clone()


def cut(image: torch.Tensor, segmentation: Segmentation, segments: int) -> Segments:
    return SegmentParameters(segmentation=segmentation, segments=segments).cut(image, SPEC)


@pytest.mark.parametrize("segmentation", Segmentation)
@pytest.mark.parametrize("segments", [2, 7, 50, 300])
@pytest.mark.parametrize("kind", ["smooth", "noise", "flat"])
def test_there_are_never_more_segments_than_asked_for(segmentation: Segmentation, segments: int, kind: str) -> None:
    images = {"smooth": smooth(), "noise": torch.rand(1, 1, 48, 64) * 4 - 2, "flat": torch.full((1, 1, 48, 64), -2.0)}
    found = cut(images[kind], segmentation, segments)
    assert 1 <= found.count <= segments
    assert found.labels.shape == (48, 64)
    assert found.labels.unique().tolist() == list(range(found.count))
    assert float(found.areas.sum()) == 48 * 64


@pytest.mark.parametrize("segmentation", [Segmentation.SLIC, Segmentation.GRID])
@pytest.mark.parametrize("segments", [20, 50, 200])
def test_there_are_about_as_many_as_asked_for(segmentation: Segmentation, segments: int) -> None:
    assert cut(smooth(), segmentation, segments).count >= 0.75 * segments


@pytest.mark.parametrize("segmentation", Segmentation)
def test_the_same_image_is_always_cut_alike_whatever_random_numbers_are_drawn(segmentation: Segmentation) -> None:
    torch.manual_seed(1)
    one = cut(smooth(), segmentation, 30).labels
    torch.manual_seed(2)
    assert torch.equal(one, cut(smooth(), segmentation, 30).labels)


@pytest.mark.parametrize("segmentation", [Segmentation.SLIC, Segmentation.FELZENSZWALB])
def test_no_superpixel_reaches_over_a_strong_edge(segmentation: Segmentation) -> None:
    image = smooth() * 0.1 - 1.5
    disc = (torch.arange(48)[:, None] - 22) ** 2 + (torch.arange(64)[None] - 30) ** 2 < 12**2
    image[0, 0, disc] += 3
    labels = cut(image, segmentation, 40).labels
    inside, outside = torch.bincount(labels[disc], minlength=40), torch.bincount(labels[~disc], minlength=40)
    assert int(torch.minimum(inside, outside).sum()) < 0.02 * labels.numel()


def test_brightness_decides_and_not_how_the_network_is_fed() -> None:
    image, spec = smooth(), InputSpec(size=48, channels=3, mean=0.2, std=0.1)
    brightness = image * 0.25 + 0.5
    other = ((brightness - 0.2) / 0.1).expand(1, 3, -1, -1).clone()
    one = cut(image, Segmentation.SLIC, 30).labels
    assert float((one == SegmentParameters(segments=30).cut(other, spec).labels).double().mean()) > 0.99


def test_shown_segments_are_the_image_and_hidden_ones_the_baseline() -> None:
    image, baseline = smooth(channels=2), torch.full((1, 2, 48, 64), -2.0)
    segments = cut(image, Segmentation.GRID, 12)
    present = torch.zeros(2, segments.count, dtype=torch.bool)
    present[1, 3] = True
    shown = segments.show(image, baseline, present)
    assert torch.equal(shown[0], baseline[0])
    where = segments.labels == 3
    assert torch.equal(shown[1][:, where], image[0][:, where])
    assert torch.equal(shown[1][:, ~where], baseline[0][:, ~where])


def test_centres_are_the_means_of_rows_and_columns() -> None:
    segments = Segments(torch.tensor([[0, 0, 1], [0, 2, 1]]))
    assert segments.centres.tolist() == [[1 / 3, 1 / 3], [0.5, 2.0], [1.0, 1.0]]
    assert segments.areas.tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("method", ["feature_ablation", "lime", "kernel_shap"])
def test_more_segments_than_pixels_are_refused_before_any_work(method: str) -> None:
    registry = load_registry(())
    values = {"segments": 300} | ({} if method == "feature_ablation" else {"samples": 2000})
    params = registry.parameters(method, values)
    with pytest.raises(NotApplicable, match="300 segments are more than the network's 16 x 16 pixels"):
        registry.method(method).cost(params, (1, 16, 16), 1)


@pytest.mark.parametrize(
    ("method", "values", "text"),
    [
        ("lime", {"segments": 4, "samples": 17}, "samples must be at most 16"),
        ("kernel_shap", {"segments": 50, "samples": 199}, "samples must be at least 200, four per segment"),
        ("feature_ablation", {"segments": 100_000}, "segments: "),
        ("feature_ablation", {"segmentation": "watershed"}, "segmentation: .*'slic', 'felzenszwalb' or 'grid'"),
        ("rise", {"probability": 1}, "probability: "),
        ("rise", {"masks": 10_000_000}, "masks: "),
        ("lime", {"samples": 10_000_000}, "samples: "),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(method: str, values: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidParameters, match=text):
        load_registry(()).parameters(method, values)
