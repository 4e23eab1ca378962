"""The client's commands, as from a shell."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import json

import numpy as np
import pytest
from radiolucent.client.commands.asked import chosen_targets, parse_settings
from radiolucent.client.errors import InvalidRequest


def test_classify_prints_the_votes(program, fake, xray) -> None:
    ran = program("classify", xray, "--address", fake.address)
    assert ran.code == 0
    assert "Viral Pneumonia" in ran.out
    assert "0.900 *" in ran.out
    assert "Research use only. Not for diagnosis." in ran.out


def test_classify_json_is_a_list_of_objects(program, fake, xray) -> None:
    ran = program("classify", xray, xray, "--address", fake.address, "--json")
    answers = json.loads(ran.out)
    assert [answer["majority"] for answer in answers] == [["Pneumonia", "Viral Pneumonia"]] * 2
    assert answers[0]["intended_use"] == "Research use only. Not for diagnosis."


def test_one_bad_file_does_not_stop_the_others(program, fake, xray, tmp_path) -> None:
    letter = tmp_path / "letter.png"
    letter.write_text("Dear colleague")
    ran = program("classify", letter, xray, "--address", fake.address, "--json")
    assert ran.code == 2
    assert "neither PNG" in ran.err
    assert [sorted(answer)[:1] for answer in json.loads(ran.out)] == [["error"], ["answers"]]


def test_a_missing_file_is_a_usage_error(program, fake, tmp_path) -> None:
    assert program("classify", tmp_path / "nothing.png", "--address", fake.address).code == 2


def test_models_and_methods_print_tables_and_json(program, fake) -> None:
    models = program("models", "--address", fake.address)
    assert "net_a" in models.out
    assert "refused: net_b version 4" in models.err
    listed = json.loads(program("models", "--address", fake.address, "--json").out)
    assert [model["name"] for model in listed] == ["net_a", "net_b"]
    assert listed[0]["model_set"] == 7
    assert "occlusion" in program("methods", "--address", fake.address).out
    broken = program("methods", "--address", fake.address, "--json")
    assert [method["name"] for method in json.loads(broken.out)] == ["occlusion", "saliency"]
    assert "broken plugin: x" in broken.err


def test_explain_writes_the_folder_and_says_what_happens(program, fake, xray, tmp_path) -> None:
    out = tmp_path / "out"
    ran = program(
        "explain", xray, "--method", "all", "--model", "all", "--set", "occlusion.window=50", "--set",
        "occlusion.stride=0.5", "--target", "No Finding", "--out", out, "--address", fake.address,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "first partial heatmap after" in ran.err
    assert "votes after" in ran.err
    assert "4 heatmaps" in ran.out
    assert "Research use only. Not for diagnosis." in ran.out
    assert (out / "net_a" / "No_Finding" / "occlusion.png").is_file()
    with np.load(out / "net_a" / "No_Finding" / "occlusion.npz") as arrays:
        assert arrays["attribution"].ndim == 3
    result = json.loads((out / "result.json").read_text())
    assert result["heatmaps"][0]["parameters"] == {"stride": 0.5, "window": 50}
    assert result["asked"]["methods"]["occlusion"] == {"window": 50, "stride": 0.5}
    assert result["server"]["version"] == "0.1.0"
    request = fake.requests[0]
    assert request.partial_heatmaps
    assert not request.keep_after_disconnect


def test_explain_asks_for_final_maps_alone_where_told_so(program, fake, xray) -> None:
    ran = program("explain", xray, "--no-partial", "--address", fake.address)
    assert "first heatmap after" in ran.err
    assert not fake.requests[0].partial_heatmaps


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_explain_explains_the_number_asked_for(program, fake, xray, output) -> None:
    ran = program("explain", xray, "--output", output, "--json", "--address", fake.address)
    assert json.loads(ran.out)["asked"]["output"] == output


def test_explain_offers_no_number_left_open(program, fake, xray) -> None:
    ran = program("explain", xray, "--output", "unspecified", "--address", fake.address)
    assert ran.code == 2
    assert "'unspecified' is not one of 'logit', 'probability'" in " ".join(ran.err.split())
    assert not fake.requests


def test_explain_json_is_alone_on_standard_output(program, fake, xray) -> None:
    ran = program("explain", xray, "--method", "occlusion", "--json", "--address", fake.address)
    document = json.loads(ran.out)
    assert document["state"] == "done"
    assert [heatmap["model"]["name"] for heatmap in document["heatmaps"]] == ["net_a", "net_b"]
    assert "heatmap: net_a" in ran.err


def test_a_failed_item_ends_with_4_and_the_rest_is_there(program, fake, xray, tmp_path) -> None:
    ran = program(
        "explain", xray, "--method", "broken_method", "--method", "occlusion", "--out", tmp_path / "o",
        "--address", fake.address,
    )  # fmt: skip
    assert ran.code == 4
    assert "failed: net_a, broken_method" in ran.err
    assert (tmp_path / "o" / "net_a" / "Viral_Pneumonia" / "occlusion.npz").is_file()


def test_ctrl_c_keeps_what_is_there(program, fake, xray, tmp_path, monkeypatch) -> None:
    from radiolucent.client.commands.live import LiveJob

    show = LiveJob.show

    def interrupt(self: LiveJob, event: object) -> None:
        show(self, event)
        if type(event).__name__ == "Failure":
            raise KeyboardInterrupt

    monkeypatch.setattr(LiveJob, "show", interrupt)
    ran = program(
        "explain", xray, "--method", "occlusion", "--method", "broken_method", "--out", tmp_path / "o",
        "--address", fake.address,
    )  # fmt: skip
    assert ran.code == 130
    assert json.loads((tmp_path / "o" / "result.json").read_text())["state"] == "interrupted"
    assert (tmp_path / "o" / "net_a" / "Viral_Pneumonia" / "occlusion.npz").is_file()


def test_a_refused_request_leaves_an_earlier_result_alone(program, fake, xray, tmp_path) -> None:
    arguments = ["explain", xray, "--method", "occlusion", "--out", tmp_path / "o", "--address", fake.address]
    assert program(*arguments).code == 0
    ran = program(*arguments, "--model", "net_z")
    assert ran.code == 2
    assert "there are net_a, net_b" in ran.err
    assert ran.err.strip().count("\n") == 0
    assert json.loads((tmp_path / "o" / "result.json").read_text())["state"] == "done"


def test_nobody_at_the_address_ends_with_3(program, xray) -> None:
    ran = program("classify", xray, "--address", "127.0.0.1:1")
    assert ran.code == 3
    assert ran.err.startswith("radiolucent: ")


def test_a_deadline_ends_with_3(program, fake, xray, tmp_path) -> None:
    fake.hold_after = 2
    ran = program(
        "explain", xray, "--method", "occlusion", "--timeout", "0.5", "--out", tmp_path, "--address", fake.address
    )
    assert ran.code == 3
    assert json.loads((tmp_path / "result.json").read_text())["state"] == "interrupted"


def test_the_address_comes_from_the_environment_too(program, fake, xray, monkeypatch) -> None:
    monkeypatch.setenv("RADIOLUCENT_ADDRESS", fake.address)
    assert program("classify", xray).code == 0


def test_settings_are_json_where_they_can_be() -> None:
    assert parse_settings(
        ["occlusion.window=50", "occlusion.stride=0.25", "a.b=true", "a.c=blur", "a.d=[1, 2]", "a.e=NaN", "a.f=x=y"]
    ) == {
        "occlusion": {"window": 50, "stride": 0.25},
        "a": {"b": True, "c": "blur", "d": [1, 2], "e": "NaN", "f": "x=y"},
    }


@pytest.mark.parametrize("setting", ["window=50", "occlusion.window", ".window=3", "occlusion.=3", ""])
def test_a_setting_of_another_form_is_refused(program, fake, xray, setting) -> None:
    ran = program("explain", xray, "--set", setting, "--address", fake.address)
    assert ran.code == 2
    assert "method.parameter=value" in ran.err


def test_a_setting_for_a_method_that_does_not_run_is_refused(program, fake, xray) -> None:
    ran = program("explain", xray, "--method", "saliency", "--set", "occlusion.window=5", "--address", fake.address)
    assert ran.code == 2
    assert "occlusion is not among the methods asked for: saliency" in ran.err


def test_targets_are_a_choice_or_labels() -> None:
    assert chosen_targets([]) == "predicted"
    assert chosen_targets(["all"]) == "all"
    assert chosen_targets(["No Finding", "Pneumonia", "No Finding"]) == ["No Finding", "Pneumonia"]
    with pytest.raises(InvalidRequest):
        chosen_targets(["all", "Pneumonia"])
