"""An audit on a server: what it asks for, what it keeps, and how it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from radiolucent.client import Heatmap, InternalError, InvalidRequest, JobLost, Precision, Unavailable, Violation
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.explanations import collecting
from radiolucent.evaluation.explanations.audit import Planned, explain_planned
from radiolucent.evaluation.explanations.errors import AuditRefused, ServerLost
from radiolucent.evaluation.explanations.records import Records, read_maps
from radiolucent.evaluation.explanations.stored_maps import StoredMaps
from radiolucent.evaluation.explanations.tables import AuditTables, Failed
from rich.console import Console

Plan = Callable[..., Planned]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting.collect, "__kwdefaults__", {"wait_s": 0.0})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(client: object, planned: Planned, out: Path, log: StringIO | None = None) -> AuditTables:
    console = Console(file=log or StringIO(), width=200)
    return asyncio.run(explain_planned(client, planned, Records(out), console))  # type: ignore[arg-type]


def _said_to_be(precision: Precision, heatmap: Callable[..., Heatmap]) -> Callable[..., Heatmap]:
    return lambda *asked: heatmap(*asked[:-1], precision)


def first(planned: Planned, place: int = 0) -> str:
    return planned.chosen.films[place].path.stem


def test_each_film_is_asked_for_once_with_its_true_labels(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan()
    tables = run(client, planned, out)
    assert client.asked == [film.path.stem for film in planned.chosen.films]
    for film, request in zip(planned.chosen.films, client.requests, strict=True):
        assert request["targets"] == [label for label in ("COVID-19", "Pneumonia", "No Finding") if film.known[label]]
        assert (request["priority"].value, request["reconnect"]) == ("batch", True)
        assert list(request["methods"]) == ["occlusion", "saliency"]
    assert [film.file for film in tables.head.films] == sorted(film.file for film in planned.chosen.films)
    assert not tables.failed


def test_two_films_are_under_way_at_a_time(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    run(client, plan(), out)
    assert client.most_under_way == 2


def test_dear_measures_are_taken_on_the_first_films_alone(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    run(client, plan(robustness_films=2), out)
    assert [[name for name, _ in request["measures"]] for request in client.requests] == [
        ["deletion", "max_sensitivity"],
        ["deletion", "max_sensitivity"],
        *[["deletion"]] * 4,
    ]


def test_what_comes_becomes_rows(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan(methods=("deep_lift",), films=2, settings=("deletion.steps=5",))
    tables = run(client, planned, out)
    film = tables.head.films[0]
    rows = {row.quantity: row.value for row in tables.measured if (row.file, row.network) == (film.file, "net_a")}
    labels = len(film.explained)
    assert rows == {
        "completeness.missed_share": 0.25,
        "deletion.above_random": pytest.approx(1 / 3),
        "max_sensitivity.change": 0.25,
        "max_sensitivity.scale": 12345678.0,
        "cost.seconds": pytest.approx(2.0),  # three seconds, one of which was measuring
        "cost.passes": 6 / labels,  # twenty, fourteen of which were of measures
    }
    assert {row.quantity for row in tables.measured} == {one.name for one in tables.head.quantities}
    assert film.probabilities["mean"]["Pneumonia"] == 0.95
    assert film.called == dict.fromkeys(("net_a", "net_b", "majority"), ("COVID-19", "Pneumonia"))
    (deletion,) = [one for one in tables.head.quantities if one.name == "deletion.above_random"]
    assert (deletion.family, deletion.better.value, deletion.parameters) == ("faithfulness", "higher", {"steps": 5})
    maps = 2 * sum(len(one.explained) for one in tables.head.films)
    assert tables.head.worker_seconds == {
        "measure deletion": maps * 0.5,
        "measure max_sensitivity": maps * 0.5,
        "method deep_lift": maps * 2.0,
    }


def test_maps_are_kept_as_they_came(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan(films=1)
    run(client, planned, out)
    film = planned.chosen.films[0]
    stored = read_maps(Records(out).maps_of(film.file))
    maps, affines = stored.maps, stored.affines
    labels = planned.chosen.explained[film.file]
    assert set(maps) == {
        (n, m, label) for n in ("net_a", "net_b") for m in ("occlusion", "saliency") for label in labels
    }
    assert {(values.dtype, values.shape) for values in maps.values()} == {
        (np.dtype(np.float32), (8, 8)),
        (np.dtype(np.float32), (12, 12)),
    }
    assert affines["net_b"].offset_y == -1.5
    assert stored.shape == (16, 13)
    pictures = StoredMaps(out / "maps", planned.data_set)
    values, affine = pictures.map(film.file, "net_b", "saliency", labels[0]) or pytest.fail("no map")
    assert np.array_equal(values, maps["net_b", "saliency", labels[0]])
    assert affine == affines["net_b"]
    assert pictures.map(film.file, "net_b", "deep_lift", labels[0]) is None
    assert pictures.film(film.file).shape == (16, 13)
    assert pictures.film("unheard.png") is None


def test_an_audit_that_broke_off_asks_for_the_missing_films_alone(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan()
    client.interrupted_at = first(planned, 3)
    with pytest.raises(KeyboardInterrupt):
        run(client, planned, out)
    kept = set(Records(out).read(film.file for film in planned.chosen.films))
    assert kept
    assert client.under_way == 0, "no job runs on"
    client.asked.clear()
    client.interrupted_at = ""
    broken_and_resumed = run(client, planned, out)
    assert set(client.asked) == {film.path.stem for film in planned.chosen.films if film.file not in kept}
    at_once = run(client, planned, out.with_name("other"))
    assert broken_and_resumed.measured == at_once.measured
    assert broken_and_resumed.head.films == at_once.head.films
    client.asked.clear()
    assert run(client, planned, out).measured == at_once.measured
    assert not client.asked, "nothing is left to ask for"


@pytest.mark.parametrize("damaged", ["films", "maps"])
def test_a_film_whose_files_are_damaged_or_gone_is_asked_for_again(client, plan: Plan, out: Path, damaged: str) -> None:  # noqa: ANN001
    planned = plan()
    run(client, planned, out)
    victim = sorted((out / damaged).iterdir())[2]
    if damaged == "films":
        victim.write_bytes(victim.read_bytes()[:100])
    else:
        victim.unlink()
    client.asked.clear()
    run(client, planned, out)
    assert len(client.asked) == 1


def test_another_audit_is_refused_with_all_that_differs(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    run(client, plan(), out)
    client.asked.clear()
    with pytest.raises(AuditRefused) as refused:
        run(client, plan(seed=3, methods=("saliency", "occlusion"), settings=("occlusion.window=9",)), out)
    text = str(refused.value)
    assert all(word in text for word in ("seed: 0 there, 3 asked for", "methods: ", "window"))
    assert len(refused.value.problems) == 3
    assert not client.asked


def test_a_method_that_fails_on_some_films_is_reported_and_the_rest_completes(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan()
    victim = planned.chosen.films[1]
    client.failing = lambda *what: what[:3] == (victim.path.stem, "net_b", "occlusion")
    client.refusing = lambda film, measure: film == victim.path.stem and measure == "deletion"
    tables = run(client, planned, out)
    labels = planned.chosen.explained[victim.file]
    of_map = [row for row in tables.failed if row.what == "map"]
    assert of_map == [Failed(victim.file, "net_b", "occlusion", label, "map", "it raised an error") for label in labels]
    refusals = [row for row in tables.failed if row.what == "deletion"]
    assert {row.reason for row in refusals} == {"no evidence"}
    assert len(refusals) == 3 * len(labels)
    assert len(tables.head.films) == 6


def test_maps_of_the_first_films_in_bfloat16_stand_beside_float32s(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    client.lost_in_bfloat16 = ("net_b", "saliency")
    planned = plan(precision="bfloat16", float32_films=2)
    tables = run(client, planned, out)
    first_two = [film.path.stem for film in planned.chosen.films[:2]]
    assert sorted(client.asked) == sorted([film.path.stem for film in planned.chosen.films] + first_two)
    beside = [request for request in client.requests if request["precision"].value == "float32"]
    assert [request["measures"] for request in beside] == [[], []]
    rows = [row for row in tables.measured if row.quantity == "precision.spearman"]
    assert {row.file for row in rows} == {film.file for film in planned.chosen.films[:2]}
    same = [row.value for row in rows if (row.network, row.method) != client.lost_in_bfloat16]
    assert same == pytest.approx([1.0] * len(same))
    assert "Of 2 of these films" in tables.head.precision
    assert "Below 0.95 are net_b with saliency (" in tables.head.precision
    assert tables.head.quantities[-1].family == "precision"
    assert tables.head.worker_seconds["float32 beside"] == 12.0 * sum(
        len(planned.chosen.explained[film.file]) for film in planned.chosen.films[:2]
    )


def test_a_map_without_one_in_float32_has_a_reason(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    client.failing = lambda film, network, method, precision: (method, precision) == ("occlusion", "float32")
    planned = plan(precision="bfloat16", float32_films=1, networks=("net_a",))
    tables = run(client, planned, out)
    film = planned.chosen.films[0].file
    labels = planned.chosen.explained[film]
    reason = "there is no map in float32: it raised an error"
    assert tables.failed == [Failed(film, "net_a", "occlusion", label, "precision", reason) for label in labels]


@pytest.mark.parametrize(
    ("broken", "reason"), [(np.nan, "the map has values that are no numbers"), (2.0, "the map is the same everywhere")]
)
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_maps_whose_ranks_cannot_be_compared_have_a_reason(
    client,  # noqa: ANN001
    plan: Plan,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: float,
    reason: str,
    precision: str,
) -> None:
    whole = type(client)._heatmap

    def heatmap(*asked: Any) -> Heatmap:  # noqa: ANN401
        found = whole(*asked)
        if found.method == "saliency" and found.precision.value == precision:
            found.values[:] = broken
        return found

    monkeypatch.setattr(type(client), "_heatmap", heatmap)
    planned = plan(precision="bfloat16", float32_films=1, networks=("net_a",))
    tables = run(client, planned, out)
    film = planned.chosen.films[0].file
    labels = planned.chosen.explained[film]
    problems = [row for row in tables.failed if row.what == "precision"]
    assert problems == [Failed(film, "net_a", "saliency", label, "precision", reason) for label in labels]
    rows = [row for row in tables.measured if row.quantity == "precision.spearman"]
    assert [(row.method, row.value) for row in rows] == [("occlusion", pytest.approx(1.0))] * len(labels)
    assert all("nan" not in row.reason for row in tables.failed)


def test_float32_has_nothing_beside_it(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    tables = run(client, plan(float32_films=2), out)
    assert len(client.asked) == 6
    assert not tables.head.precision
    assert not [one for one in tables.head.quantities if one.family == "precision"]


def test_a_server_that_tells_no_precision_is_audited_in_float32(client, plan: Plan, out: Path, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(type(client), "_heatmap", _said_to_be(Precision.UNSPECIFIED, type(client)._heatmap))
    assert not run(client, plan(), out).failed


def test_a_server_that_does_not_know_the_precision_is_told(client, plan: Plan, out: Path, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(type(client), "_heatmap", _said_to_be(Precision.FLOAT32, type(client)._heatmap))
    with pytest.raises(EvaluationError, match="older than bfloat16"):
        run(client, plan(precision="bfloat16"), out)


def test_a_parameter_that_the_server_refuses_stops_the_audit_before_any_film(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    client.refuses_plans = InvalidRequest("window must be 1 or more", (Violation("methods[0].parameters.window", ""),))
    with pytest.raises(AuditRefused, match="window must be 1 or more"):
        run(client, plan(), out)
    assert not client.asked
    assert not out.exists(), "the folder is still anybody's"


def test_a_film_that_is_refused_has_a_row_and_stays_refused(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan()
    no_xray = InvalidRequest("it is no X-ray", (Violation("xray.file", "it is no X-ray"),))
    client.raises = {first(planned): [no_xray], first(planned, 2): [InternalError("error 17")]}
    tables = run(client, planned, out)
    assert sorted((row.file, row.reason) for row in tables.failed) == sorted(
        [(planned.chosen.films[0].file, "it is no X-ray"), (planned.chosen.films[2].file, "error 17")]
    )
    assert len(tables.head.films) == 4
    client.asked.clear()
    assert len(run(client, planned, out).head.films) == 5
    assert client.asked == [first(planned, 2)], "what may pass is tried again"


@pytest.mark.parametrize("error", [Unavailable("gone"), JobLost("restarted")])
def test_a_lost_server_is_waited_for(client, plan: Plan, out: Path, error: Exception) -> None:  # noqa: ANN001
    planned, log = plan(), StringIO()
    client.raises = {first(planned, 1): [error, error]}
    tables = run(client, planned, out, log)
    assert client.asked.count(first(planned, 1)) == 3
    assert not tables.failed
    assert "is asked for again" in log.getvalue()


def test_a_server_that_stays_away_ends_the_audit_and_keeps_what_is_finished(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    planned = plan()
    client.raises = {first(planned, 4): [Unavailable("gone")] * 100}
    with pytest.raises(ServerLost, match="the same command goes on"):
        run(client, planned, out)
    # Of the four before it, one may be under way when the audit ends.
    assert len(Records(out).read(film.file for film in planned.chosen.films)) >= 3


def test_another_model_set_is_never_mixed_in(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    client.model_set = 8
    with pytest.raises(EvaluationError, match="changed its model set"):
        run(client, plan(), out)


def test_a_full_disk_is_said_and_leaves_no_half_film(client, plan: Plan, out: Path, monkeypatch) -> None:  # noqa: ANN001
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(EvaluationError, match=r"No space left on device.*the same command goes on"):
        run(client, plan(), out)
    assert not list((out / "maps").iterdir())
    assert not list((out / "films").iterdir())


def test_a_log_says_how_far_it_is(client, plan: Plan, out: Path) -> None:  # noqa: ANN001
    log = StringIO()
    run(client, plan(), out, log)
    assert "6 of 6 X-rays" in log.getvalue()
    assert client.plans == 3 or client.plans < 6, "one dry run for each kind of film"
