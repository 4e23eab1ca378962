"""The folder that an explanation is written to."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from radiolucent.client import Client
from radiolucent.client.document import Record
from radiolucent.client.events import Heatmap
from radiolucent.client.file_names import path_part
from radiolucent.client.writer_thread import WriterThread
from radiolucent.client.writing import ResultFolder, write_whole


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


def test_labels_that_become_alike_get_files_of_their_own(fake, xray, tmp_path) -> None:
    labels = ["A b", "A_b", "a B", "A b 2", "input.npz"]
    folder = tmp_path / "out"
    result = json.loads(run(fake, xray, folder, ["occlusion"], targets=labels, models=["net_a"]).read_text())
    named = {entry["label"]: entry["files"]["npz"] for entry in result["heatmaps"]}
    assert named == {
        "A b": "net_a/A_b/occlusion.npz",
        "A_b": "net_a/A_b_2/occlusion.npz",
        "a B": "net_a/a_B_3/occlusion.npz",
        "A b 2": "net_a/A_b_2_2/occlusion.npz",
        "input.npz": "net_a/input.npz_2/occlusion.npz",
    }
    pictures = {entry["files"]["png"] for entry in result["heatmaps"]}
    assert files(folder) == {"result.json", "net_a/input.npz", *named.values(), *pictures}


def test_the_order_of_arrival_changes_no_name(fake, xray, tmp_path) -> None:
    with Client(fake.address) as client, client.explain(xray, ["saliency"], targets=["A b", "A_b"]) as stream:
        events = list(stream)
    maps = [event for event in events if isinstance(event, Heatmap)]
    for folder, order in ((tmp_path / "one", maps), (tmp_path / "two", maps[::-1])):
        result = ResultFolder(folder, Record("x.png"))
        result.add(events[0])
        for event in order:
            result.add(event)
        named = json.loads(result.finish().read_text())["heatmaps"]
        assert {entry["files"]["npz"] for entry in named if entry["label"] == "A_b"} == {
            "net_a/A_b_2/saliency.npz",
            "net_b/A_b_2/saliency.npz",
        }


def test_events_do_not_wait_for_pictures(fake, xray, tmp_path, monkeypatch) -> None:
    may_draw = threading.Event()

    def slow(*_: object, **__: object) -> bytes:
        assert may_draw.wait(20)
        return b"a picture"

    monkeypatch.setattr("radiolucent.client.writing.render", slow)
    result = ResultFolder(tmp_path / "out", Record(str(xray)))
    with Client(fake.address) as client, client.explain(xray, ["occlusion", "saliency"], inputs=True) as stream:
        for event in stream:
            result.add(event)
    assert not list((tmp_path / "out").rglob("*.png"))
    may_draw.set()
    document = json.loads(result.finish().read_text())
    assert len(document["heatmaps"]) == 4
    assert all(
        (tmp_path / "out" / entry["files"]["png"]).read_bytes() == b"a picture" for entry in document["heatmaps"]
    )


def test_what_could_not_be_written_is_told_and_not_in_the_result(fake, xray, tmp_path, monkeypatch) -> None:
    def full(heatmap: Heatmap, _: object, **__: object) -> bytes:
        if heatmap.method == "occlusion":
            raise OSError(28, "No space left on device")
        return b"a picture"

    monkeypatch.setattr("radiolucent.client.writing.render", full)
    with pytest.raises(OSError, match="No space left"):
        run(fake, xray, tmp_path / "out", ["saliency", "occlusion"], models=["net_a"])
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [entry["method"] for entry in document["heatmaps"]] == ["saliency"]


def test_no_more_maps_wait_than_memory_is_meant_for() -> None:
    writer, begun, end = WriterThread(), [], threading.Event()

    def write() -> None:
        begun.append(1)
        end.wait(20)

    def add_many() -> None:
        for _ in range(40):
            writer.add(write, lambda: None)
            begun.append(0)

    adding = threading.Thread(target=add_many)
    adding.start()
    adding.join(0.3)
    assert begun.count(0) == 16
    end.set()
    adding.join(20)
    writer.finish()
    assert begun.count(1) == 40
