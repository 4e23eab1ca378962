"""Tables of an audit are what they were when they are read again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from radiolucent.evaluation.errors import TableError
from radiolucent.evaluation.explanations.number_tables import significant
from radiolucent.evaluation.explanations.quantities import OF_MAPS
from radiolucent.evaluation.explanations.storing import read_audit_tables, write_audit_tables
from radiolucent.evaluation.explanations.tables import (
    Agreed,
    AuditedFilm,
    AuditHead,
    AuditTables,
    Failed,
    Measured,
    MethodAsked,
)
from radiolucent.handlers.card import Label


def _film(file: str) -> AuditedFilm:
    return AuditedFilm(
        file=file,
        group="g",
        source="NIH",
        view="",
        known={"Pneumonia": True},
        explained=("Pneumonia",),
        probabilities={"net_b": {"Pneumonia": 0.5}, "mean": {"Pneumonia": 0.5}},
        called={"net_b": ("Pneumonia",), "majority": ()},
    )


@pytest.fixture
def tables() -> AuditTables:
    head = AuditHead(
        data="films",
        manifest_sha256="a" * 64,
        split="test",
        labels=(Label(name="Pneumonia"),),
        networks=("net_b", "net_a"),
        network_versions={"net_b": 1, "net_a": 2},
        input_sizes={"net_b": 8, "net_a": 8},
        methods=(MethodAsked(name="saliency", title="Saliency", parameters={"x": 1}, signed=False),),
        quantities=OF_MAPS,
        films=(_film("b.png"), _film("c.png")),
        chosen="all",
        seed=0,
        seconds=12.5,
        created=datetime(2026, 1, 2, tzinfo=timezone.utc),
    )
    measured = [
        Measured(file, network, "saliency", "Pneumonia", "cost.seconds", value)
        for file, network, value in (("b.png", "net_b", 1e-9), ("b.png", "net_a", 0.25), ("c.png", "net_b", -3e9))
    ]
    agreed = [Agreed("b.png", "Pneumonia", "networks", "saliency", "net_b", "net_a", "spearman", -0.5)]
    failed = [
        Failed("", "", "", "Viral", "map", "no film has it"),
        Failed("c.png", "net_b", "saliency", "Pneumonia", "deletion", "no evidence"),
        Failed("a.png", "", "", "", "map", 'refused: a "quoted", reason'),
    ]
    return AuditTables(head, tuple(measured), tuple(agreed), tuple(failed))


def test_tables_are_read_back_as_they_were(tables: AuditTables, tmp_path: Path) -> None:
    write_audit_tables(tables, tmp_path)
    assert read_audit_tables(tmp_path) == tables


@pytest.mark.parametrize(
    "name", ["two  spaces.png", "a,b.png", "=1+1.png", 'q"q.png', "no\u00a0break.png", "two\nlines.png"]
)
def test_every_name_is_read_back_as_it_was(tables: AuditTables, tmp_path: Path, name: str) -> None:
    film = tables.head.films[0].model_copy(update={"file": name})
    row = Measured(name, "net_b", "saliency", "Pneumonia", "cost.seconds", 0.5)
    named = replace(
        tables,
        head=tables.head.model_copy(update={"films": (film,)}),
        measured=(row,),
        agreed=(replace(tables.agreed[0], file=name),),
        failed=(Failed(name, "", "", "", "map", "refused"),),
    )
    write_audit_tables(named, tmp_path)
    assert read_audit_tables(tmp_path) == named


def test_the_same_rows_are_the_same_files_in_whatever_order_they_came(tables: AuditTables, tmp_path: Path) -> None:
    write_audit_tables(tables, tmp_path / "a")
    backwards = replace(tables, measured=tables.measured[::-1], failed=tables.failed[::-1])
    write_audit_tables(backwards, tmp_path / "b")
    for name in ("audit.json", "measurements.csv", "agreement.csv", "failures.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_numbers_have_six_digits_and_reasons_one_line(tables: AuditTables, tmp_path: Path) -> None:
    row = Measured("b.png", "net_b", "saliency", "Pneumonia", "cost.passes", 2 / 3)
    failed = Failed("b.png", "net_b", "saliency", "Pneumonia", "road", "one\n  two")
    write_audit_tables(replace(tables, measured=[row], failed=[failed]), tmp_path)
    again = read_audit_tables(tmp_path)
    assert again.measured == (replace(row, value=0.666667),)
    assert significant(2 / 3) == 0.666667
    assert again.failed[0].reason == "one two"


def test_a_map_is_one_line_with_a_column_for_each_number(tables: AuditTables, tmp_path: Path) -> None:
    more = [*tables.measured, replace(tables.measured[0], quantity="cost.passes", value=7)]
    write_audit_tables(replace(tables, measured=more), tmp_path)
    assert (tmp_path / "measurements.csv").read_text().splitlines() == [
        "file,network,method,label,cost.seconds,cost.passes",
        "b.png,net_b,saliency,Pneumonia,1e-09,7",
        "b.png,net_a,saliency,Pneumonia,0.25,",
        "c.png,net_b,saliency,Pneumonia,-3e+09,",
    ]


def test_a_number_that_is_there_twice_is_not_stored(tables: AuditTables, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"b.png, net_b, saliency, Pneumonia: cost.seconds is there twice"):
        write_audit_tables(replace(tables, measured=[*tables.measured, tables.measured[0]]), tmp_path)


def test_numbers_that_are_none_are_not_stored(tables: AuditTables, tmp_path: Path) -> None:
    row = replace(tables.measured[0], value=math.nan)
    with pytest.raises(TableError, match=r"b.png cost.seconds is nan"):
        write_audit_tables(replace(tables, measured=[row]), tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def _append(name: str, *lines: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            _append("measurements.csv", "b.png,n,m,l,many", "b.png,n,m", "b.png,n,m,l,1"),
            ("line 5: cost.seconds is no number: 'many'", "line 6: 3 values in 5 columns"),
        ),
        (_append("measurements.csv", "x.png,n,m,l,inf"), ("no film 'x.png'", "the value is inf")),
        (_append("agreement.csv", "x.png,l,networks,m,a,b,1"), ("agreement.csv", "no film 'x.png'")),
        (
            _append("measurements.csv", "b.png,net_c,gradcam,Edema,1"),
            ("measurements.csv line 5: audit.json knows no network 'net_c'", "no method 'gradcam'", "no label 'Edema'"),
        ),
        (_append("measurements.csv", "b.png,net_a,saliency,Pneumonia,9"), ("line 5: it is there twice",)),
        (_append("agreement.csv", "b.png,Pneumonia,methods,net_a,saliency,gradcam,1"), ("method 'gradcam'",)),
        (
            lambda folder: (folder / "measurements.csv").write_text("file,network,method,label,odd\nb.png,n,m,l,1\n"),
            ("no quantity 'odd'",),
        ),
        (
            lambda folder: (folder / "measurements.csv").write_text("file,method\n"),
            ("the columns must be file, network, method, label and different quantities, not file, method",),
        ),
        (
            lambda folder: (folder / "agreement.csv").write_text((folder / "agreement.csv").read_text()[:-2]),
            ("agreement.csv: the end of its last line is missing",),
        ),
        (
            lambda folder: (folder / "measurements.csv").write_text(
                "file,network,method,label,quantity,value\nb.png,n,m,l,cost.seconds,1\n"
            ),
            ("measurements.csv: it has a line for each number",),
        ),
        (lambda folder: (folder / "failures.csv").unlink(), ("failures.csv: cannot be read",)),
        (lambda folder: (folder / "failures.csv").write_text("a,b\n"), ("the columns must be file, network",)),
        (lambda folder: (folder / "audit.json").write_text("{}"), ("audit.json", "networks", "split", "films")),
        (lambda folder: (folder / "measurements.csv").write_bytes(b"\xff\xfe"), ("is no table",)),
    ],
)
def test_damaged_tables_are_refused_with_everything_that_is_wrong(
    tables: AuditTables, tmp_path: Path, change: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    write_audit_tables(tables, tmp_path)
    change(tmp_path)
    with pytest.raises(TableError) as refused:
        read_audit_tables(tmp_path)
    assert all(word in str(refused.value) for word in words)
