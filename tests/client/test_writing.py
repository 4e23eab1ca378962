"""The folder that an explanation is written to."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from radiolucent.client import Client
from radiolucent.client.document import Record
from radiolucent.client.writing import ResultFolder, path_part, write_whole


def run(fake, xray, folder: Path, methods: list[str], **options: object) -> Path:
    result = ResultFolder(folder, Record(str(xray)))
    with (
        Client(fake.address) as client,
        client.explain(xray, methods, attributions=True, inputs=True, **options) as stream,
    ):
        for event in stream:
            result.add(event)
    return result.finish()


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_files_lie_by_model_label_and_method(fake, xray, tmp_path) -> None:
    folder = tmp_path / "deep" / "out"
    run(fake, xray, folder, ["occlusion", "saliency"], targets=["Viral Pneumonia", "No Finding"])
    assert files(folder) == {"result.json"} | {
        f"{model}/{rest}"
        for model in ("net_a", "net_b")
        for rest in (
            "input.npz",
            "Viral_Pneumonia/occlusion.npz",
            "Viral_Pneumonia/occlusion.png",
            "Viral_Pneumonia/saliency.npz",
            "Viral_Pneumonia/saliency.png",
            "No_Finding/occlusion.npz",
            "No_Finding/occlusion.png",
            "No_Finding/saliency.npz",
            "No_Finding/saliency.png",
        )
    }
    with np.load(folder / "net_a" / "Viral_Pneumonia" / "occlusion.npz") as arrays:
        assert set(arrays) == {"attribution", "heatmap"}
        assert arrays["attribution"].shape == (1, 96, 96)
        assert arrays["heatmap"].shape == (96, 96)
        assert {arrays[name].dtype for name in arrays} == {np.dtype(np.float32)}
    with np.load(folder / "net_b" / "input.npz") as arrays:
        assert arrays["input"].shape == (1, 96, 96)
        assert arrays["input"].dtype == np.float32


def test_the_result_holds_everything_else(fake, xray, tmp_path) -> None:
    result = json.loads(run(fake, xray, tmp_path / "out", ["occlusion", "broken_method"]).read_text())
    assert result["intended_use"] == "Research use only. Not for diagnosis."
    assert result["state"] == "done"
    assert result["classification"]["majority"] == ["Pneumonia", "Viral Pneumonia"]
    assert result["classification"]["model_set"]["version"] == 7
    assert result["targets"] == [{"label": "Viral Pneumonia", "reason": "predicted"}]
    heatmap = result["heatmaps"][0]
    assert heatmap["files"] == {
        "npz": "net_a/Viral_Pneumonia/occlusion.npz",
        "png": "net_a/Viral_Pneumonia/occlusion.png",
    }
    assert heatmap["model"] == {"name": "net_a", "version": 3}
    assert heatmap["completeness"] == "exact"
    assert heatmap["convergence_delta"] == 0.0
    assert heatmap["facts"] == {"absorbed": 0.125}
    assert heatmap["affine"]["offset_y"] == -16.0
    assert "attribution" not in heatmap
    assert [failure["reason"] for failure in result["failures"]] == ["method", "method"]
    assert result["summary"]["items"][0]["forward_passes"] == 2


def test_a_rerun_leaves_nothing_of_the_earlier_run_and_touches_no_other_file(fake, xray, tmp_path) -> None:
    folder = tmp_path / "out"
    run(fake, xray, folder, ["occlusion", "saliency"])
    (folder / "net_a" / "notes.txt").write_text("mine")
    (tmp_path / "precious").write_text("mine")
    result = json.loads((folder / "result.json").read_text())
    result["inputs"][0]["files"]["input"] = "../precious"
    (folder / "result.json").write_text(json.dumps(result))
    run(fake, xray, folder, ["saliency"], models=["net_b"])
    assert files(folder) == {
        "result.json",
        "net_a/input.npz",  # no longer in the list that was meddled with
        "net_a/notes.txt",
        "net_b/input.npz",
        "net_b/Viral_Pneumonia/saliency.npz",
        "net_b/Viral_Pneumonia/saliency.png",
    }
    assert (tmp_path / "precious").exists()
    assert not (folder / "net_a" / "Viral_Pneumonia").exists()


def test_a_folder_with_a_foreign_result_is_not_cleared(fake, xray, tmp_path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "result.json").write_text('["not ours"]')
    (folder / "kept.txt").write_text("mine")
    run(fake, xray, folder, ["saliency"])
    assert (folder / "kept.txt").exists()


@pytest.mark.parametrize(
    ("name", "part"),
    [("Viral Pneumonia", "Viral_Pneumonia"), ("../../etc", ".._etc"), ("a\\b:c", "a_b_c"), ("..", "_"), ("", "_")],
)
def test_a_name_becomes_one_part_of_a_path(name, part) -> None:
    assert path_part(name).strip("_") == part.strip("_")
    assert len(Path(path_part(name)).parts) == 1
    assert path_part(name) not in (".", "..")


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch) -> None:
    def broken(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.npz", b"x")
    assert files(tmp_path) == set()
