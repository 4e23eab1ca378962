"""The vote itself, aggregates of maps, and labels that were not voted for, from the client's side."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from radiolucent.client import Agreement, Client, Evidence, ExplainedOutput, FailureReason, InvalidRequest, Mean
from radiolucent.client.commands.asked import chosen_aggregates, chosen_targets
from radiolucent.client.rendering import render
from radiolucent.protos import explanation_pb2 as pb


def test_aggregates_come_typed_with_what_they_were_made_of(fake, xray) -> None:
    ways = ["mean", Agreement(networks=1, top_share=0.2, evidence=Evidence.AGAINST)]
    with Client(fake.address) as client, client.explain(xray, "occlusion", aggregates=ways) as stream:
        result = stream.result()
    asked = fake.requests[0].aggregations
    assert asked[0].WhichOneof("kind") == "mean"
    assert (asked[1].agreement.networks, asked[1].agreement.evidence) == (1, pb.EVIDENCE_AGAINST)
    mean = result.heatmap("chest_xray", "Viral Pneumonia", "occlusion", "mean")
    agreed = result.heatmap("chest_xray", "Viral Pneumonia", "occlusion", "agreement_against")
    assert mean.aggregate is not None
    assert mean.aggregate.aggregation == Mean()
    assert [(str(one.model), one.scale) for one in mean.aggregate.networks] == [("net_a v3", 2.5)]
    assert [str(one) for one in mean.aggregate.missing] == ["net_b v3"]
    assert agreed.aggregate is not None
    assert agreed.aggregate.aggregation == ways[1]
    assert agreed.aggregate.words == "evidence against in 1 or more of 2 networks, 1 without a map"
    assert [item.aggregation for item in result.items] == [None, None, Mean(), ways[1]]
    with pytest.raises(KeyError):  # the vote itself was not explained
        result.heatmap("chest_xray", "Viral Pneumonia", "occlusion")


def test_a_map_says_whether_its_label_was_voted_for(fake, xray) -> None:
    with Client(fake.address) as client, client.explain(xray, "occlusion", models=["net_a", "chest_xray"]) as stream:
        result = stream.result()
    for one in result.heatmaps:
        assert one.verdict is not None
        assert (one.verdict.voted, one.verdict.votes, one.verdict.voters) == (False, 1, 2)
        assert one.verdict.words == "not voted for: 1 of 2"
        assert one.resampling_error == (0.0625 if one.model.name == "chest_xray" else None)


@pytest.mark.parametrize(("output", "number"), [(None, 0), ("logit", 1), (ExplainedOutput.VOTES, 3)])
def test_the_output_is_left_to_the_server_unless_it_is_named(fake, xray, output, number) -> None:
    with Client(fake.address) as client, client.explain(xray, "occlusion", output=output) as stream:
        stream.result()
    assert fake.requests[0].output == number


def test_labels_without_a_majority_can_be_asked_for(fake, xray) -> None:
    with Client(fake.address) as client, client.explain(xray, "occlusion", targets="not_predicted") as stream:
        stream.result()
    assert fake.requests[0].targets.WhichOneof("selection") == "not_predicted"
    assert chosen_targets(["not_predicted"]) == "not_predicted"
    with pytest.raises(InvalidRequest, match="cannot be combined"):
        chosen_targets(["not_predicted", "Pneumonia"])


@pytest.mark.parametrize("wrong", ["median", 3, Agreement(top_share=0), Agreement(networks=-1)])
def test_an_aggregate_that_there_is_not_is_refused_at_once(fake, xray, wrong) -> None:
    with Client(fake.address) as client, pytest.raises(InvalidRequest, match="agree"):
        client.explain(xray, "occlusion", aggregates=[wrong])
    assert fake.requests == []


def test_explain_writes_the_vote_and_the_aggregates_beside_the_networks(program, fake, xray, tmp_path) -> None:
    out = tmp_path / "out"
    ran = program(
        "explain", xray, "--method", "occlusion", "--model", "all", "--model", "chest_xray", "--aggregate", "mean",
        "--aggregate", "agreement", "--agreement-k", 2, "--agreement-top", 0.25, "--out", out, "--address",
        fake.address,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert list(fake.requests[0].models) == ["net_a", "net_b", "chest_xray"]
    folder = out / "chest_xray" / "Viral_Pneumonia"
    assert {path.name for path in folder.iterdir()} == {
        f"occlusion{which}.{kind}" for which in ("", ".mean", ".agreement") for kind in ("npz", "png")
    }
    with np.load(folder / "occlusion.mean.npz") as arrays:
        assert set(arrays) == {"heatmap"}
    with np.load(folder / "occlusion.npz") as arrays:
        assert set(arrays) == {"attribution", "heatmap"}
    assert (out / "chest_xray" / "input.npz").is_file()
    result = json.loads((out / "result.json").read_text())
    made = [one for one in result["heatmaps"] if one["aggregate"] is not None]
    assert made[1]["aggregate"] == {
        "aggregation": {"kind": "agreement", "networks": 2, "top_share": 0.25, "evidence": "for"},
        "networks": [{"model": {"name": "net_a", "version": 3}, "scale": 2.5}],
        "missing": [{"name": "net_b", "version": 3}],
    }
    assert made[1]["files"]["npz"] == "chest_xray/Viral_Pneumonia/occlusion.agreement.npz"
    own = next(one for one in result["heatmaps"] if one["model"]["name"] == "chest_xray" and one["aggregate"] is None)
    assert own["verdict"]["votes"] == 1
    assert own["resampling_error"] == 0.0625
    assert result["asked"]["aggregates"][1]["networks"] == 2
    assert "heatmap: chest_xray, Viral Pneumonia, occlusion, mean of 1 of 2 networks" in ran.err


def test_all_methods_of_the_vote_are_those_that_can_explain_it(program, fake, xray) -> None:
    ran = program("explain", xray, "--model", "chest_xray", "--address", fake.address, "--json")
    assert ran.code == 2, "the stand-in has methods that need gradients alone"
    assert "no method" in ran.err


def test_a_failed_aggregate_is_named(program, fake, xray) -> None:
    fake.failing_method = "occlusion"
    ran = program("explain", xray, "--method", "occlusion", "--aggregate", "mean", "--address", fake.address)
    assert ran.code == 4
    assert "failed: chest_xray, occlusion, mean: 0 of 2 networks" in ran.err
    with Client(fake.address) as client, client.explain(xray, "occlusion", aggregates="mean") as stream:
        assert stream.result().failures[-1].reason is FailureReason.TOO_FEW_NETWORKS


def test_an_agreement_that_is_described_must_be_asked_for() -> None:
    assert chosen_aggregates(["agreement"], 4, 0.1) == [Agreement(networks=4)]
    with pytest.raises(InvalidRequest, match="--aggregate median: there are mean, agreement"):
        chosen_aggregates(["median"], 0, 0.1)
    with pytest.raises(InvalidRequest, match="not asked for"):
        chosen_aggregates(["mean"], 4, 0.1)


def test_pictures_of_aggregates_say_what_they_show(fake, xray, monkeypatch) -> None:
    written: list[str] = []
    save = Figure.savefig

    def note(figure: Figure, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        written.extend(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", note)
    with Client(fake.address) as client, client.explain(xray, "occlusion", aggregates=("mean", "agreement")) as stream:
        for one in stream.result().heatmaps:
            render(one, one.values[np.newaxis])
    text = " ".join(written)
    assert "mean of 1 of 2 networks" in text
    assert "share of the networks with strong evidence for the label" in text
    assert "not voted for: 1 of 2" in text
