"""The vote itself, aggregates of maps, and labels without a majority, through a real gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from radiolucent.client import Agreement, Client, FailureReason, InvalidRequest, JobState
from radiolucent.client.program import main

if TYPE_CHECKING:
    from conftest import RunningGateway


def test_votes_aggregates_and_networks_come_in_one_job(gateway: RunningGateway, png: bytes) -> None:
    with Client(gateway.address) as client:
        asked = client.explain(
            png,
            {"occlusion": {"window": 16, "stride": 16}, "saliency": {}},
            models=["resnet18", "resnet34", "chest_xray"],
            targets="all",
            aggregates=["mean", Agreement(networks=1)],
            inputs=True,
        )
        with asked as stream:
            result = stream.result()
    assert result.summary is not None
    assert result.summary.state is JobState.DONE
    # A vote has no gradient; everything else is there.
    [failure] = result.failures
    assert (failure.item.model.name, failure.item.method) == ("chest_xray", "saliency")
    assert failure.reason is FailureReason.NOT_APPLICABLE
    assert "no gradient" in failure.message
    assert result.classification is not None
    assert {one.model.name for one in result.inputs} == {"resnet18", "resnet34", "chest_xray"}
    for index, label in enumerate(result.classification.labels):
        own = [result.heatmap(name, label.label, "occlusion") for name in ("resnet18", "resnet34")]
        vote = result.heatmap("chest_xray", label.label, "occlusion")
        # What is explained is what was served.
        assert vote.output_value == pytest.approx(label.votes / 2)
        assert vote.resampling_error == 0  # both networks have the same grid
        assert vote.verdict is not None
        assert (vote.verdict.votes, vote.verdict.voters, vote.verdict.voted) == (label.votes, 2, label.majority)
        assert set(np.unique(vote.values * 4)) <= set(np.arange(-4, 5)), "shares of two votes"
        mean = result.heatmap("chest_xray", label.label, "occlusion", "mean")
        scaled = [one.values / np.percentile(np.abs(one.values), 99) for one in own]
        np.testing.assert_allclose(mean.values, np.mean(scaled, axis=0), atol=1e-5)
        assert mean.affine == own[0].affine
        agreed = result.heatmap("chest_xray", label.label, "saliency", "agreement")
        assert set(np.unique(agreed.values)) <= {0, 0.5, 1}
        assert mean.output_value == pytest.approx(
            np.mean([one.logits[index] for one in result.classification.answers]), abs=1e-3
        )


def test_the_mean_probability_can_be_explained_and_a_vote_has_no_logit(gateway: RunningGateway, png: bytes) -> None:
    few = {"rise": {"masks": 100}}
    with Client(gateway.address) as client:
        with client.explain(png, few, models=["chest_xray"], targets="all", output="probability") as stream:
            result = stream.result()
        assert result.classification is not None
        for label in result.classification.labels:
            one = result.heatmap("chest_xray", label.label, "rise")
            assert one.output_value == pytest.approx(label.mean_probability, abs=1e-4)
        with (
            pytest.raises(InvalidRequest, match="has no logit"),
            client.explain(png, "rise", models=["chest_xray"], output="logit") as stream,
        ):
            stream.result()
        with (
            pytest.raises(InvalidRequest, match="saliency needs more than forward passes"),
            client.explain(png, "saliency", models=["chest_xray"]) as stream,
        ):
            stream.result()


def test_the_command_asks_why_labels_were_not_voted_for(gateway: RunningGateway, png: bytes, tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(png)
    out = tmp_path / "out"
    with Client(gateway.address) as client:
        absent = [label.label for label in client.classify(png).labels if not label.majority]
    with pytest.raises(SystemExit) as left:
        main(
            [
                *("explain", str(film), "--address", gateway.address, "--out", str(out)),
                *("--method", "input_x_gradient", "--target", "not_predicted"),
                *("--aggregate", "mean", "--aggregate", "agreement_against"),
            ]
        )
    assert not left.value.code
    for label in absent:
        names = {path.name for path in (out / "chest_xray" / label.replace(" ", "_")).iterdir()}
        assert names == {
            f"input_x_gradient.{way}.{kind}" for way in ("mean", "agreement_against") for kind in ("npz", "png")
        }
    assert {path.name for path in (out / "chest_xray").iterdir()} - {"input.npz"} == {
        label.replace(" ", "_") for label in absent
    }
