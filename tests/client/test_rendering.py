"""Pictures of heatmaps."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import io
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from radiolucent.client import (
    Affine,
    Completeness,
    ExplainedOutput,
    Heatmap,
    ModelVersion,
    OutsideLungs,
    Precision,
    Sign,
)
from radiolucent.client.rendering import render, scale_of

USE = "Research use only. Not for diagnosis."


def heatmap(values: np.ndarray, **changes: Any) -> Heatmap:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "job_id": "j",
        "request_id": "r",
        "sequence": 1,
        "time": datetime.now(timezone.utc),
        "model": ModelVersion("resnet18", 3),
        "method": "integrated_gradients",
        "parameters": {},
        "label": "Viral Pneumonia",
        "output": ExplainedOutput.LOGIT,
        "output_value": 2.3,
        "final": True,
        "fraction": 1.0,
        "sign": Sign.SIGNED,
        "completeness": Completeness.EXACT,
        "convergence_delta": 0.004,
        "values": values.astype(np.float32),
        "attribution": None,
        "affine": Affine(1, 1, 0, 0),
        "elapsed_s": 1.0,
        "intended_use": USE,
    }
    return Heatmap(**{**fields, **changes})


def picture(made: Heatmap, background: np.ndarray | None = None) -> np.ndarray:
    grey = np.full((1, *made.values.shape), 0.5, np.float32) if background is None else background
    grey[0, 0, 0], grey[0, 0, -1] = 0.0, 1.0  # the range that the grey is drawn in
    return np.asarray(Image.open(io.BytesIO(render(made, grey))).convert("RGB"), np.float32)


@pytest.fixture
def texts(monkeypatch) -> list[str]:
    """What is written into the picture."""
    written: list[str] = []
    save = Figure.savefig

    def note(figure: Figure, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        written.extend(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", note)
    return written


def halves() -> np.ndarray:
    """For on the left, against on the right, nothing in the lower half."""
    values = np.zeros((96, 96))
    values[:48, :48], values[:48, 48:] = 0.02, -0.02
    return values


def test_for_is_orange_against_is_blue_and_zero_leaves_the_xray_alone() -> None:
    drawn = picture(heatmap(halves()))
    high, width = drawn.shape[:2]
    favour, against = drawn[int(high * 0.3), int(width * 0.2)], drawn[int(high * 0.3), int(width * 0.6)]
    nothing = drawn[int(high * 0.8), int(width * 0.3)]
    assert favour[0] > favour[2] + 80
    assert against[2] > against[0] + 80
    assert np.ptp(nothing) <= 2


def test_a_picture_of_an_xray_unlike_the_training_data_says_so(texts) -> None:
    grey = np.full((1, 96, 96), 0.5, np.float32)
    render(heatmap(halves()), grey)
    assert not any("UNLIKE" in text for text in texts)
    render(heatmap(halves()), grey, unlike=True)
    assert "UNLIKE THE TRAINING DATA: do not rely on the votes" in texts


def test_the_scale_of_a_signed_map_is_symmetric() -> None:
    values = np.linspace(-1, 3, 96 * 96, dtype=np.float32).reshape(96, 96)
    scale = scale_of(values, Sign.SIGNED)
    assert scale.signed
    assert scale.clipped
    assert 2.9 < scale.limit < 3


def test_one_hot_pixel_does_not_hide_the_rest() -> None:
    values = np.full((96, 96), 0.1, np.float32)
    values[0, 0] = 1e6
    assert scale_of(values, Sign.UNSIGNED).limit == pytest.approx(0.1)


def test_a_map_of_a_few_pixels_is_not_lost() -> None:
    values = np.zeros((96, 96), np.float32)
    values[3, 3] = 5.0
    assert scale_of(values, Sign.SIGNED).limit == 5.0


@pytest.mark.parametrize("sign", list(Sign))
@pytest.mark.parametrize("value", [0.0, 0.3, 1e-30, 1e30])
def test_constant_maps_are_drawn(sign, value) -> None:
    assert picture(heatmap(np.full((96, 96), value), sign=sign)).std() > 0


@pytest.mark.parametrize(("height", "width"), [(96, 96), (299, 299), (64, 128), (200, 100), (1, 1), (8, 8)])
def test_any_shape_is_drawn(height, width) -> None:
    values = np.random.default_rng(0).normal(size=(height, width))
    drawn = picture(heatmap(values), np.zeros((3, 96, 96), np.float32))
    assert min(drawn.shape[:2]) > 400


def test_a_legend_says_what_it_shows_and_what_it_is_not_for(texts) -> None:
    picture(heatmap(halves()))
    written = " | ".join(texts)
    assert USE in written
    assert "Viral Pneumonia" in written
    assert "resnet18, version 3" in written
    assert "integrated gradients" in written
    assert "logit 2.3" in written
    assert "against" in written
    assert "PARTIAL" not in written


def test_what_a_method_found_out_besides_is_written_above_the_map(texts) -> None:
    picture(heatmap(halves(), facts={"absorbed": -1.2345}))
    assert any("absorbed -1.23" in text for text in texts)
    picture(heatmap(halves(), facts={"windows": 2048.0, "least": 1e20}))
    assert any("windows 2,048" in text and "least 1e+20" in text for text in texts)


def test_a_partial_map_is_marked(texts) -> None:
    picture(heatmap(halves(), final=False, fraction=0.4))
    assert "PARTIAL: 40% of the work" in texts


def test_a_map_of_a_network_in_bfloat16_says_so(texts: list[str]) -> None:
    picture(heatmap(halves(), precision=Precision.FLOAT32))
    assert not any("float" in text for text in texts)
    picture(heatmap(halves(), precision=Precision.BFLOAT16))
    assert any("in bfloat16" in text for text in texts)


def test_a_map_of_zeros_says_so(texts) -> None:
    picture(heatmap(np.zeros((96, 96))))
    assert any("zero everywhere" in text for text in texts)


def test_small_numbers_have_a_power_of_ten(texts) -> None:
    picture(heatmap(halves() * 1e-6))
    assert any("10^{-8}" in text for text in texts)


def test_nothing_is_cut_off_at_the_edges() -> None:
    drawn = picture(heatmap(halves(), label="A label with quite a long name: fibrosis and effusion", method="m" * 30))
    border = np.concatenate([drawn[:4].ravel(), drawn[-4:].ravel(), drawn[:, :4].ravel(), drawn[:, -4:].ravel()])
    assert border.min() == 255


def test_a_map_that_misses_the_change_of_the_output_says_so(texts: list[str]) -> None:
    wrong = heatmap(halves(), convergence_delta=7.1, facts={"output_change": -5.3})
    assert wrong.missed_share == pytest.approx(7.1 / 5.3)
    picture(wrong)
    assert any("MISSES 134% OF THE CHANGE, -5.3" in text for text in texts)
    texts.clear()
    picture(heatmap(halves(), convergence_delta=0.1, facts={"output_change": -5.3}))
    assert not any("MISSES" in text for text in texts)
    assert heatmap(halves(), convergence_delta=None).missed_share is None


def test_how_much_lies_outside_the_lungs_is_written_under_the_map_where_it_was_asked_for(texts: list[str]) -> None:
    sentence = "62 % of the evidence lies outside the lungs; a map without preference would have 41 %."
    plain = picture(heatmap(np.ones((16, 16))))
    assert not any("lungs" in text for text in texts)
    flagged = picture(heatmap(np.ones((16, 16)), outside_lungs=OutsideLungs(0.62, 0.41, sentence, "")))
    assert sentence in texts
    assert texts.count(USE) == 2
    assert flagged.shape[0] > plain.shape[0]
    assert flagged[:, :3].min() == 255
    assert flagged[:, -3:].min() == 255
