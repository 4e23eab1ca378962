"""Scoring folders and manifests."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import csv
import importlib
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image
from pyarrow import parquet
from radiolucent.client import AsyncClient, Unavailable
from radiolucent.client.batch import score
from radiolucent.client.sources import Source, find_sources


@pytest.fixture
def folder(tmp_path, xray) -> Path:
    """Five X-rays, one of them a letter, and what is no X-ray at all."""
    made = tmp_path / "study"
    (made / "inner").mkdir(parents=True)
    for name in ("a.png", "b.PNG", "inner/c.png", "d.jpeg"):
        (made / name).write_bytes(xray.read_bytes())
    (made / "letter.png").write_text("Dear colleague")
    (made / "notes.txt").write_text("no X-ray")
    (made / ".hidden.png").write_bytes(xray.read_bytes())
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_there_is_a_row_per_image_and_model_and_one_per_failure(program, fake, folder, tmp_path, suffix) -> None:
    out = tmp_path / "new" / f"scores.{suffix}"
    ran = program("batch", folder, "--out", out, "--address", fake.address)
    assert ran.code == 4
    assert "4 scored, 1 failed" in ran.err
    assert "letter.png: xray.file: neither PNG" in ran.err
    table = rows(out) if suffix == "csv" else parquet.read_table(out).to_pylist()
    assert [(row["file"], row["model"] or None) for row in table] == [
        ("a.png", "net_a"),
        ("a.png", "net_b"),
        ("b.PNG", "net_a"),
        ("b.PNG", "net_b"),
        ("d.jpeg", "net_a"),
        ("d.jpeg", "net_b"),
        ("inner/c.png", "net_a"),
        ("inner/c.png", "net_b"),
        ("letter.png", None),
    ]
    assert "neither PNG" in table[-1]["error"]
    assert {row["intended_use"] for row in table} == {"Research use only. Not for diagnosis."}
    assert list(table[0])[:7] == [
        "file", "model", "version", "model_set", "probability:Pneumonia", "probability:Viral Pneumonia",
        "probability:No Finding",
    ]  # fmt: skip
    if suffix == "csv":
        assert table[0]["probability:Pneumonia"] == "0.899999976"  # the float32, exactly
        assert table[0]["majority:Pneumonia"] == "true"
    else:
        assert table[0]["vote:No Finding"] is False
        assert table[0]["version"] == 3
        assert table[-1]["vote:No Finding"] is None
    assert sorted(path.name for path in out.parent.iterdir()) == [out.name]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_resuming_scores_only_what_is_missing(program, fake, folder, tmp_path, xray, suffix) -> None:
    out = tmp_path / f"scores.{suffix}"
    program("batch", folder, "--out", out, "--address", fake.address)
    fake.classified.clear()
    (folder / "letter.png").write_bytes(xray.read_bytes())
    (folder / "e.png").write_bytes(xray.read_bytes())
    ran = program("batch", folder, "--out", out, "--resume", "--address", fake.address)
    assert ran.code == 0, ran.err
    assert "2 scored, 4 kept, 0 failed" in ran.err
    assert len(fake.classified) == 2
    table = rows(out) if suffix == "csv" else parquet.read_table(out).to_pylist()
    assert len(table) == 12
    assert not any(row["error"] for row in table)


def test_resuming_after_a_power_cut_goes_on_from_the_journal(program, fake, folder, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    program("batch", folder, "--out", tmp_path / "scores.csv", "--address", fake.address)
    whole = (tmp_path / "scores.csv").read_text()
    cut = whole.index("d.jpeg,net_b") + 3  # in the middle of an image's rows, in the middle of a name
    (tmp_path / ".scores.parquet.journal.csv").write_text(whole[:cut])
    fake.classified.clear()
    program("batch", folder, "--out", out, "--resume", "--address", fake.address)
    assert len(fake.classified) == 3  # d.jpeg, inner/c.png, letter.png
    assert [row["file"] for row in parquet.read_table(out).to_pylist()].count("d.jpeg") == 2


def test_resuming_with_other_columns_is_refused(program, fake, folder, tmp_path) -> None:
    out = tmp_path / "scores.csv"
    out.write_text("file,model,error\na.png,net_a,\n")
    ran = program("batch", folder, "--out", out, "--resume", "--address", fake.address)
    assert ran.code == 2
    assert "--overwrite without --resume" in ran.err
    assert out.read_text() == "file,model,error\na.png,net_a,\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "scores"))] == ["scores.csv"]


@pytest.mark.parametrize("left", ["scores.csv", ".scores.csv.journal.csv"])
def test_a_table_that_is_there_is_refused_without_a_word_about_it(program, fake, folder, tmp_path, left) -> None:
    program("batch", folder, "--out", tmp_path / "other.csv", "--address", fake.address)
    (tmp_path / left).write_bytes((tmp_path / "other.csv").read_bytes())
    fake.classified.clear()
    ran = program("batch", folder, "--out", tmp_path / "scores.csv", "--address", fake.address)
    assert ran.code == 2
    assert "--resume" in ran.err
    assert "--overwrite" in ran.err
    assert not fake.classified
    assert (tmp_path / left).read_bytes() == (tmp_path / "other.csv").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_overwriting_keeps_the_old_table_until_the_new_one_is_complete(
    program, fake, folder, tmp_path, suffix, monkeypatch
) -> None:
    out, journal = tmp_path / f"scores.{suffix}", tmp_path / f".scores.{suffix}.journal.csv"
    for brightness, name in enumerate(("a.png", "b.PNG", "inner/c.png", "d.jpeg")):
        Image.new("L", (48, 48), brightness).save(folder / name, format="PNG")
    program("batch", folder, "--out", out, "--address", fake.address)
    before = out.read_bytes()

    async def stopped(*args, **kwargs):  # noqa: ANN002, ANN003, ANN202
        async with aclosing(score(*args, **kwargs)) as scores:
            async for number, scored in aenumerate(scores):
                if number == 2:
                    raise KeyboardInterrupt
                yield scored

    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("radiolucent.client.commands.batch"), "score", stopped)
        ran = program("batch", folder, "--out", out, "--overwrite", "--address", fake.address)
    assert ran.code == 130
    assert "--resume --overwrite goes on" in ran.err
    assert out.read_bytes() == before
    assert [row["file"] for row in rows(journal)] == ["a.png", "a.png", "b.PNG", "b.PNG"]
    fake.classified.clear()
    ran = program("batch", folder, "--out", out, "--resume", "--overwrite", "--address", fake.address)
    assert ran.code == 4  # the letter
    # What the stopped run was about to ask for may come to the server late, and so twice.
    again = ("b.PNG", "inner/c.png", "d.jpeg", "letter.png")
    assert set(fake.classified) == {(folder / name).read_bytes() for name in again}
    assert "3 scored, 1 kept, 1 failed" in ran.err, "the last image of a journal counts as cut off"
    assert len(rows(out) if suffix == "csv" else parquet.read_table(out)) == 9
    assert not journal.exists()


async def aenumerate(values):  # noqa: ANN201
    number = 0
    async for value in values:
        yield number, value
        number += 1


def test_a_log_has_a_line_per_tenth(program, fake, xray, tmp_path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for number in range(25):
        (study / f"{number:02}.png").write_bytes(xray.read_bytes())
    ran = program("batch", study, "--out", tmp_path / "scores.csv", "--address", fake.address)
    told = [line.partition(" after ")[0] for line in ran.err.splitlines() if " of 25 after " in line]
    assert told == [f"{done} of 25" for done in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]


def test_a_manifest_names_files_beside_it(program, fake, folder, tmp_path) -> None:
    manifest = folder / "manifest.csv"
    manifest.write_text("id,file\n1,inner/c.png\n2,nowhere.png\n3,inner/c.png\n", encoding="utf-8-sig")
    out = tmp_path / "scores.csv"
    ran = program("batch", manifest, "--out", out, "--address", fake.address)
    assert ran.code == 4
    assert [row["file"] for row in rows(out)] == ["inner/c.png", "inner/c.png", "nowhere.png"]
    assert "nowhere.png: No such file" in ran.err


def test_dicom_files_are_found_whatever_they_are_called(tmp_path) -> None:
    (tmp_path / "1.2.840.113").write_bytes(bytes(128) + b"DICM")  # its last digits look like a suffix
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "README").write_text("no X-ray")
    assert [source.name for source in find_sources(tmp_path)] == ["1.2.840.113", "IM0001"]


def test_a_file_that_cannot_be_read_is_listed_and_stops_nothing(program, fake, folder, tmp_path, monkeypatch) -> None:
    (folder / "locked").write_bytes(b"")

    def refusing(method):  # noqa: ANN202  - permissions mean nothing to who may do everything
        def refuse(path, *args, **kwargs):  # noqa: ANN002, ANN003, ANN202
            if path.name == "locked":
                raise PermissionError(13, "Permission denied", str(path))
            return method(path, *args, **kwargs)

        return refuse

    for name in ("open", "read_bytes"):
        monkeypatch.setattr(Path, name, refusing(getattr(Path, name)))
    ran = program("batch", folder, "--out", tmp_path / "o.csv", "--address", fake.address)
    assert ran.code == 4, ran.err
    assert "4 scored, 2 failed" in ran.err
    assert "locked: Permission denied" in ran.err
    assert [row["error"] for row in rows(tmp_path / "o.csv") if row["file"] == "locked"] == ["Permission denied"]


def test_nothing_to_score_and_other_formats_are_refused(program, fake, tmp_path, folder) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("path\na.png\n")
    for source, out in (
        (tmp_path / "empty", "o.csv"),
        (tmp_path / "list.csv", "o.csv"),
        (folder / "a.png", "o.csv"),
        (folder, "o.xlsx"),
    ):
        ran = program("batch", source, "--out", tmp_path / out, "--address", fake.address)
        assert ran.code == 2, source
        assert not (tmp_path / out).exists()


def test_a_busy_server_is_asked_again(program, fake, folder, tmp_path) -> None:
    fake.busy_times = 5
    assert program("batch", folder, "--out", tmp_path / "o.csv", "--address", fake.address).code == 4
    assert len(rows(tmp_path / "o.csv")) == 9


async def test_a_server_that_is_gone_stops_the_batch(fake, xray, monkeypatch) -> None:
    monkeypatch.setattr("radiolucent.client.batch._ATTEMPTS", 2)
    fake.gone = True
    async with AsyncClient(fake.address) as client:
        with pytest.raises(Unavailable):
            async for _ in score(client, [Source("a", xray)] * 20):
                pass
    assert len(fake.classified) < 20


async def test_results_come_in_order_with_a_bounded_number_taken(fake, xray) -> None:
    taken = 0

    def sources():  # noqa: ANN202
        nonlocal taken
        for number in range(30):
            taken += 1
            yield Source(str(number), xray)

    async with AsyncClient(fake.address) as client:
        seen = 0
        async for scored in score(client, sources(), concurrency=2):
            assert scored.source.name == str(seen)
            seen += 1
            assert taken - seen < 4
    assert seen == 30


def test_ctrl_c_leaves_a_readable_table_that_resume_completes(program, fake, xray, tmp_path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for number in range(300):
        (study / f"{number:03}.png").write_bytes(xray.read_bytes())
    out = tmp_path / "scores.parquet"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom importlib.metadata import EntryPoint\nfrom radiolucent.client.program import build\n"
            "point = EntryPoint('batch', 'radiolucent.client.commands:batch', 'radiolucent.commands')\n"
            "build({'batch': point}, sys.argv[1:])(sys.argv[1:])",
            *("batch", str(study), "--out", str(out), "--address", fake.address, "--concurrency", "1"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    deadline = time.monotonic() + 60
    while len(fake.classified) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    there = parquet.read_table(out).num_rows
    assert 0 < there < 600
    assert there % 2 == 0
    ran = program("batch", study, "--out", out, "--resume", "--address", fake.address)
    assert ran.code == 0
    assert parquet.read_table(out).num_rows == 600
