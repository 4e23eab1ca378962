"""The command `radiolucent audit` from end to end, on a server that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from radiolucent.client import Unavailable
from radiolucent.evaluation.explanations import audit as auditing
from radiolucent.evaluation.explanations import collecting, writing
from radiolucent.evaluation.explanations.audit_command import audit
from radiolucent.evaluation.explanations.offered import Offered
from radiolucent.evaluation.explanations.storing import read_audit_tables
from radiolucent.handlers import InputSpec
from radiolucent.handlers.profile import ProfileGroup, ProfileLayer, ProfileRecord, save_profile
from typer.testing import CliRunner, Result

Run = Callable[..., Result]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Thirty films of fifteen patients; those with pneumonia have a box, some have a mask of the lungs."""
    folder = tmp_path / "films"
    folder.mkdir()
    random = np.random.default_rng(0)
    mask = np.zeros((16, 13), np.uint8)
    mask[4:12, 2:11] = 255
    Image.fromarray(mask).save(folder / "lungs.png")
    box = json.dumps([{"label": "Lung Opacity", "x": 3, "y": 4, "w": 5, "h": 6}]).replace('"', '""')
    rows = ["file,labels,group_id,split,source,bbox,mask_lung"]
    for number in range(30):
        Image.fromarray(random.integers(0, 255, (16, 13), np.uint8)).save(folder / f"{number:02}.png")
        split = ("test", "test", "train", "train", "val")[number // 2 % 5]
        label = ("Pneumonia", "No Finding")[number % 2]
        marks = (f'"{box}"' if label == "Pneumonia" else "", "lungs.png" if number % 3 == 0 else "")
        rows.append(f"{number:02}.png,{label},g{number // 2},{split},NIH,{marks[0]},{marks[1]}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder / "manifest.csv"


@pytest.fixture
def run(client, offered, monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: ANN001
    """Runs the command as if it were started from a shell."""

    @asynccontextmanager
    async def connect(*_: object, **__: object):  # noqa: ANN202
        yield client

    async def ask(_: object) -> object:
        return offered

    monkeypatch.setattr(auditing, "AsyncClient", connect)
    monkeypatch.setattr(auditing, "ask_offered", ask)
    monkeypatch.setattr(collecting.collect, "__kwdefaults__", {"wait_s": 0.0})
    monkeypatch.setattr(writing, "write_audit", partial(writing.write_audit, resamples=100))

    def run(*arguments: object) -> Result:
        app = typer.Typer()
        app.command()(audit)
        return CliRunner().invoke(app, [str(one) for one in arguments])

    return run


def usual(manifest: Path, out: Path) -> tuple[object, ...]:
    methods = ("--method", "occlusion", "--method", "saliency")
    return ("--manifest", manifest, "--out", out, "--address", "x:1", "--films", "all", *methods)


def test_an_audit_leaves_tables_maps_and_a_report_and_is_computed_again_from_them(
    run: Run,
    client,  # noqa: ANN001
    manifest: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    result = run(*usual(manifest, out), "--grid-films", "00.png")
    assert result.exit_code == 0, result.output
    tables = read_audit_tables(out / "tables")
    films = {film.file for film in tables.head.films}
    assert len(films) == 12
    quantities = {row.quantity for row in tables.measured}
    assert {"deletion.above_random", "localisation.auprc", "lungs.outside", "cost.seconds"} <= quantities
    assert quantities <= {quantity.name for quantity in tables.head.quantities}
    assert {row.file for row in tables.agreed} == films
    average = [row for row in tables.measured if row.method == "average_mask"]
    assert {row.file for row in average} == {row.file for row in tables.measured if row.quantity == "localisation.iou"}
    assert all("localisation" in row.quantity for row in average)
    report = (out / "report.html").read_text()
    assert "Research use only" in report
    assert "what took the workers' time" in result.stderr
    assert (out / "audit.md").exists()
    assert len(list((out / "maps").glob("*.npz"))) == 12

    before = (out / "audit_result.json").read_bytes()
    stored = {path.name: path.read_bytes() for path in (out / "tables").iterdir()}
    client.asked.clear()
    again = run("--from-tables", out / "tables", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "audit_result.json").read_bytes() == before
    with_maps = run("--from-tables", out / "tables", "--manifest", manifest, "--grid-films", "00.png")
    assert with_maps.exit_code == 0, with_maps.output
    assert {path.name: path.read_bytes() for path in (out / "tables").iterdir()} == stored
    assert (out / "report.html").read_text() == report
    assert not client.asked, "no server took part"


def profiles_of(weights: dict[str, str], folder: Path) -> Path:
    """Profiles of two groups by two layers; one of four maps of the second layer never changes."""
    layers = (
        ProfileLayer(name="input", channels=1, height=4, width=4, constant=(), unvarying=(), order=(0,)),
        ProfileLayer(name="relu", channels=4, height=2, width=2, constant=(3,), unvarying=(3,), order=(0, 1, 2, 3)),
    )
    planes = [np.arange(2 * layer.channels * layer.height * layer.width, dtype=np.float32) for layer in layers]
    shaped = [
        plane.reshape(2, layer.channels, layer.height, layer.width) for plane, layer in zip(planes, layers, strict=True)
    ]
    for name, checksum in weights.items():
        record = ProfileRecord(
            name="by-label",
            network=name,
            version=1,
            model_sha256=checksum,
            input=InputSpec(size=16),
            data="films",
            manifest_sha256="0" * 64,
            split="test",
            grouping="label",
            groups=tuple(ProfileGroup(name=group, films=9, patients=9) for group in ("Pneumonia", "No Finding")),
            layers=layers,
            planes_sha256="0" * 64,
            created=datetime(2026, 1, 2, tzinfo=timezone.utc),
        )
        save_profile(folder, record, shaped)
    return folder / "by-label"


def test_profiles_of_the_same_networks_are_told_of_and_kept_with_the_tables(
    run: Run,
    offered: Offered,
    manifest: Path,
    tmp_path: Path,
) -> None:
    out, profiles = tmp_path / "out", profiles_of(offered.weights, tmp_path / "profiles")
    result = run(*usual(manifest, out), "--profiles", profiles)
    assert result.exit_code == 0, result.output
    found = (out / "audit_result.json").read_bytes()
    assert [(one["maps"], one["constant"]) for one in json.loads(found)["dead_maps"]] == [(4, 1)] * 2
    assert "Neuron activation profiles" in (out / "report.html").read_text()
    again = run("--from-tables", out / "tables", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "audit_result.json").read_bytes() == found


def test_profiles_of_other_weights_are_refused_before_any_film(
    run: Run,
    client,  # noqa: ANN001
    offered: Offered,
    manifest: Path,
    tmp_path: Path,
) -> None:
    others = profiles_of(dict.fromkeys(offered.weights, "f" * 64), tmp_path / "profiles")
    for folder, words in ((others, "profiled with other weights"), (tmp_path, "there is no profile")):
        result = run(*usual(manifest, tmp_path / "out"), "--profiles", folder)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
    assert not client.asked


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(
    run: Run,
    client,  # noqa: ANN001
    manifest: Path,
    tmp_path: Path,
) -> None:
    result = run(*usual(manifest, tmp_path / "out"), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "48 maps of 12 X-rays" in result.stdout  # two networks, two methods, one label each
    assert "About 1 min 36 s of one worker." in result.stdout
    assert "With 2 workers about 48 s." in result.stdout
    assert "occlusion 50%" in result.stdout
    assert not client.asked
    assert not (tmp_path / "out").exists()


def test_films_that_fail_are_exit_code_four_and_a_lost_server_three(
    run: Run,
    client,  # noqa: ANN001
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "write_audit", lambda *_, **__: None)
    client.raises = {"00": [OSError(5, "Input/output error")]}
    assert run(*usual(manifest, tmp_path / "out")).exit_code == 4
    client.raises = {"00": [Unavailable("gone")] * 100}
    result = run(*usual(manifest, tmp_path / "out"))
    assert result.exit_code == 3
    assert "goes on" in result.stderr
    client.raises = {}
    assert run(*usual(manifest, tmp_path / "out")).exit_code == 0


def test_where_no_film_was_explained_the_table_of_reasons_is_named(
    run: Run,
    client,  # noqa: ANN001
    manifest: Path,
    tmp_path: Path,
) -> None:
    client.raises = {f"{number:02}": [OSError(5, "Input/output error")] for number in range(30)}
    result = run(*usual(manifest, tmp_path / "out"))
    assert result.exit_code == 2, result.output
    assert "no X-ray was explained" in result.stderr
    assert str(tmp_path / "out" / "tables" / "failures.csv") in result.stderr
    assert "Input/output error" in (tmp_path / "out" / "tables" / "failures.csv").read_text()


def test_ctrl_c_says_how_to_go_on(run: Run, client, manifest: Path, tmp_path: Path) -> None:  # noqa: ANN001
    client.interrupted_at = "10"
    result = run(*usual(manifest, tmp_path / "out"))
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name the manifest"),
        (("--manifest", "nowhere.csv"), "name the manifest"),
        (("--manifest", "nowhere.csv", "--out", "out"), "nowhere.csv"),
        (("--manifest", "nowhere.csv", "--out", "out", "--films", "many"), "--films many"),
        (("--from-tables", "nowhere"), "audit.json: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_bad_input(
    run: Run, arguments: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert text in result.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()
