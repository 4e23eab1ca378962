import json
from pathlib import Path
from typing import Any

import pytest
import torch
from radiolucent.benchmarks import __main__ as bench
from radiolucent.benchmarks import approximation_error, estimates
from radiolucent.benchmarks.document import keep, read
from radiolucent.benchmarks.page import told
from radiolucent.benchmarks.ratios import geometric_mean, in_turn, ratio
from radiolucent.plugins.methods.interpolation import interpolated
from radiolucent.plugins.methods.window_order import window_order
from radiolucent.plugins.methods.windows import Windows


def test_a_part_that_was_not_measured_says_so_with_the_command(document: dict[str, Any]) -> None:
    page = told(document, ["grid", "occlusion"])
    assert page.endswith("## Exact occlusion\n\nNot measured: `make bench PARTS=occlusion`.")


def test_a_row_that_loses_says_so_and_one_that_wins_does_not(document: dict[str, Any]) -> None:
    rows = {line.split(",")[0]: line for line in told(document, ["grid"]).splitlines() if line.startswith("|")}
    wins, loses = rows["| a"], rows["| b"]
    assert "6.00 x (5.40 to 6.60) |" in wins
    assert "0.75 x (0.68 to 0.83), **we lose** |" in loses
    assert "1.00 / 0.50 (0.25), **we lose**" in wins, "also where it is one method of a row that wins"


def test_an_aim_that_is_missed_says_so(document: dict[str, Any]) -> None:
    page = told(document, ["grid"])
    assert "all 2 networks together, the same points: 2.5 x (aim: at least 5 x): **missed**." in page
    assert "all 2 networks together, each with its defaults: 5.0 x (aim: at least 5 x): reached." in page
    assert "1.50 x (1.35 to 1.65) | at most 1.05: **missed** |" in page
    assert "1.10 x (0.99 to 1.21) | at most 1.2: reached |" in page


def test_every_part_says_on_what_it_was_measured(document: dict[str, Any]) -> None:
    said = "Measured on 2026-01-02 in 67 min (a short run: few networks, few repetitions, wide spreads). threads 2, "
    assert said + "films 2 drawn phantoms. processor some, cores 2. torch 2.0." in told(document, ["grid"])


def test_what_no_estimate_can_know_is_told_beside_the_estimates() -> None:
    same = {"network": "a", "parameters": {}, "labels": 1}
    adaptive = {**same, "name": "adaptive x", "adaptive": True, "announced": 10, "seconds": 1.0}
    rows = [adaptive | {"expected_s": 1.0, "processor_s": seconds} for seconds in (1.0, 1.1, 3.0, 0.9)]
    rows.append({**same, "name": "measures of x", "expected_s": 3.0, "seconds": 0.01, "refused": 2})
    text = estimates.markdown({"threads": 1, "networks": ["a"], "warm_up": 1, "again": [1.0], "rows": rows})
    assert "as the middle one of the same method and network: adaptive x 75% of 4." in text
    assert "In 1 items some measure was refused at once" in text
    assert "1 of them are beyond 30 %." in text
    assert "Aim: 90 % of items within 30 %: not reached (80%). Below it: measures of x." in text


def test_a_ratio_is_that_of_pairs() -> None:
    assert ratio([2, 4, 9], [1, 2, 3]) == {"median": 2, "low": 2, "high": 2.5}
    assert geometric_mean([1, 4]) == pytest.approx(2)


def test_both_sides_are_timed_in_turn() -> None:
    order: list[str] = []
    in_turn({"theirs": lambda: order.append("theirs"), "ours": lambda: order.append("ours")}, 2)
    assert order == ["theirs", "ours", "theirs", "ours"]


def test_keeping_a_part_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "new" / "benchmarks.json"
    keep(file, "grid", {"measured": 1})
    keep(file, "passes", {"measured": 2})
    keep(file, "grid", {"measured": 3})
    assert read(file) == {"grid": {"measured": 3}, "passes": {"measured": 2}}
    assert [one.name for one in file.parent.iterdir()] == ["benchmarks.json"]


def test_only_the_parts_asked_for_run(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(name: str, out: Path, context: str, threads: int) -> int:
        ran.append(name)
        told = json.loads(context)
        assert (told["threads"], told["short"], len(told["films"])) == (1, True, 2)
        return 1

    monkeypatch.setattr(bench, "_run", run)
    asked = ["--part", "grid", "occlusion", "--short", "--threads", "1"]
    code = bench.main([*asked, "--repository", str(tiny_set), "--out", str(tmp_path / "b.json")])
    assert ran == ["grid", "occlusion"]
    assert code == 1, "a part that fails is told"


@pytest.mark.parametrize(
    ("broken", "option", "message"),
    [
        ("a folder", "--out", "is no document of benchmarks"),
        ("{no json", "--out", "is no document of benchmarks"),
        ("# Words", "--film", "cannot be used: the file is neither PNG, JPEG nor DICOM"),
    ],
)
def test_what_cannot_be_read_or_written_is_told_before_anything_is_measured(
    tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str, option: str, message: str
) -> None:
    file = tmp_path / "file"
    if broken == "a folder":
        file.mkdir()
    else:
        file.write_text(broken)
    with pytest.raises(SystemExit) as left:
        bench.main(["--part", "folding", "--short", "--repository", str(tiny_set), option, str(file)])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_an_interruption_keeps_what_is_finished(
    tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    out = tmp_path / "b.json"
    keep(out, "latency", {"measured": "long ago"})

    def run(name: str, out: Path, context: str, threads: int) -> int:
        if name == "occlusion":
            raise KeyboardInterrupt
        keep(out, name, document[name])
        return 0

    monkeypatch.setattr(bench, "_run", run)
    asked = ["--part", "grid", "occlusion", "latency", "--repository", str(tiny_set), "--out", str(out)]
    assert bench.main(asked) == 130
    assert read(out) == document | {"latency": {"measured": "long ago"}}


def test_without_a_model_set_it_says_which_command_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--repository", str(tmp_path)]) == 2
    assert "`make demo`" in capsys.readouterr().err


def test_a_part_runs_from_end_to_end_on_a_tiny_network(
    tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b.json"
    asked = ["--part", "occlusion", "--short", "--threads", "1", "--repository", str(tiny_set), "--out", str(out)]
    assert bench.main(asked) == 0
    measured = read(out)["occlusion"]["measured"]
    assert [(row["network"], row["windows"]) for row in measured["rows"]] == [("tiny", 13689), ("tiny", 225)]
    assert all(0 < row["share"] < 0.3 for row in measured["rows"]), "a window changes a part of each plane"
    assert all(one["difference"] <= one["allowed"] for one in measured["errors"])
    assert "512 pixels, window 50, stride 4: 13,689 windows." in capsys.readouterr().out


def test_the_grid_counts_what_is_left_of_captums_work(tiny_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    asked = ["--part", "grid", "--short", "--threads", "1", "--repository", str(tiny_set), "--out", str(out)]
    assert bench.main(asked) == 0
    (row,) = read(out)["grid"]["measured"]["rows"]
    left = {name: one["left"] for name, one in row["methods"].items()}
    assert row["labels"] == 2
    # One pass forth and one back for each of two labels, instead of two of both.
    assert left["saliency"] == pytest.approx(0.75, abs=0.02)
    assert left["integrated_gradients"] == pytest.approx(0.75, abs=0.02)
    assert left["input_x_gradient"] == 0, "it takes the gradient of saliency"
    assert 0 < left["occlusion"] < 0.5, "both labels from one sweep"
    assert row["by_arithmetic"] > 1
    assert row["limit"] > 0
    assert row["converged_missed"] <= 0.01, "ours goes on until it has converged"
    assert row["missed"].get("integrated_gradients", 0) > 0, "as many points as Captum takes miss something"


def test_folding_is_compared_with_double_precision(tiny_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    asked = ["--part", "folding", "--short", "--threads", "1", "--repository", str(tiny_set), "--out", str(out)]
    assert bench.main(asked) == 0
    (row,) = read(out)["folding"]["measured"]["rows"]
    (film,) = row["films"]
    for maps in (film["outputs"], film["gradient"], film["integrated gradients, 16 points"]):
        assert 0 < maps["copy - float64"] < 1e-4, "not the same network twice, and the same but for rounding"
        assert maps["folded - float64"] < 1e-4


def test_the_refining_rival_has_its_windows_where_the_map_changes() -> None:
    windows = Windows(120, 120, 16, 4)
    far = (torch.arange(windows.grid[0], dtype=torch.float64) - 16) ** 2
    effects = torch.exp(-(far[:, None] + far) / 8)[None]  # one small place
    known = torch.zeros(windows.grid, dtype=torch.bool)
    known[tuple(window_order(*windows.grid)[:182].T)] = True
    truth = windows.average(effects)
    spread_evenly = windows.average(interpolated(effects * known, known))
    refined = torch.from_numpy(approximation_error._refined(effects, windows, 182))
    assert 0 < (refined - truth).abs().max() < 0.5 * (spread_evenly - truth).abs().max()


def test_approximate_occlusion_takes_a_network_that_it_does_not_know(
    tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b.json"
    asked = ["--part", "approximate_occlusion", "approximation_error", "--short", "--threads", "1"]
    assert bench.main([*asked, "--repository", str(tiny_set), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    (timed,) = read(out)["approximate_occlusion"]["measured"]["rows"]
    assert 0 < timed["windows"] <= timed["all_windows"] == 52**2
    assert timed["estimated_error"] <= 0.05
    assert "| tiny | 1 | approximate occlusion |" in printed
    (case,) = read(out)["approximation_error"]["measured"]["parts"][0]["cases"]
    assert all(0 <= true <= 1 for _, true in case["estimates"])
    assert case["ours"]["max_error"][-1] == case["estimates"][-1][1], "the last map is the one that is compared"
    assert case["rival_windows"] < case["all_windows"], "all windows are no rival: they are the map it is compared with"
    refined, ours = case["rivals"]["refined where it changes"], case["ours"]
    assert set(refined) == set(ours)
    assert max(refined["max_error"]) == 0, "here ours needs all windows, and so the rival has all of them"
    assert case["rival_windows"] >= min(case["windows"], case["all_windows"] // 2)


def test_a_row_that_is_better_than_ours_says_so() -> None:
    case = {
        "network": "tiny",
        **{"windows": 9, "all_windows": 36, "seconds": 1.0, "rival_windows": 12, "rival_seconds": 0.5, "estimates": []},
        "ours": {"spearman": [0.99], "top_iou": [0.9], "max_error": [0.02]},
        "rivals": {"coarse grid alone": {"spearman": [1.0], "top_iou": [0.5], "max_error": [0.0]}},
    }
    part = {"side": 224, "window": 22, "stride": 8, "cases": [case]}
    told = approximation_error.markdown({"max_error": 0.05, "parts": [part]})
    (row,) = [line for line in told.splitlines() if "coarse grid alone |" in line]
    assert ["**we lose**" in cell for cell in row.split("|")[-4:-1]] == [True, False, True]
    assert "below ours: coarse grid alone 1." in told
    case["ours"]["max_error"] = [3e-7]
    as_exact = approximation_error.markdown({"max_error": 0.05, "parts": [part]})
    assert "below ours: coarse grid alone 0." in as_exact, "maps of all windows differ by rounding alone"
