"""Made-up tables of audits (networks and methods whose order is known), and made-up films with boxes and masks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.datasets import Film
from radiolucent.evaluation.explanations.boxes import Box
from radiolucent.evaluation.explanations.tables import (
    Agreed,
    AuditedFilm,
    AuditHead,
    AuditTables,
    Failed,
    Measured,
    MethodAsked,
    Quantity,
)
from radiolucent.handlers.card import Label
from radiolucent.handlers.geometry import Affine, fit
from radiolucent.plugins.measures import Better

NETWORKS = ("resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161")
METHODS = (
    ("occlusion", True),
    ("saliency", False),
    ("input_x_gradient", True),
    ("guided_backprop", True),
    ("integrated_gradients", True),
    ("deep_lift", True),
)
LABELS = ("COVID-19", "Pneumonia", "No Finding")
QUANTITIES = (
    ("deletion.above_random", "faithfulness", Better.HIGHER, 1.0),
    ("insertion.above_random", "faithfulness", Better.HIGHER, 1.0),
    ("infidelity.normalised", "faithfulness", Better.LOWER, 1.0),
    ("max_sensitivity.value", "robustness", Better.LOWER, 1.0),
    ("sparseness.gini", "complexity", Better.HIGHER, -1.0),
    ("smooth_mprt.distance", "randomisation", Better.HIGHER, 1.0),
    ("cost.seconds", "cost", Better.LOWER, 1.0),
    ("lungs.outside", "lungs", Better.NEITHER, -1.0),
    ("lungs.outside_area", "lungs", Better.NEITHER, 0.0),
    ("localisation.auprc", "localisation", Better.HIGHER, 1.0),
    ("localisation.area", "localisation", Better.NEITHER, 0.0),
)
Make = Callable[..., AuditTables]
MakeFilms = Callable[[Sequence[Mapping[str, str]]], tuple[Path, list[Film]]]


@pytest.fixture(scope="session")
def make_tables() -> Make:
    """Make tables: the networks in the order of `quality` by every quantity whose last number is 1, reversed at -1."""

    def make(
        films: int = 60,
        seed: int = 0,
        quality: Mapping[str, float] | None = None,
        noise: float = 0.3,
        scores: Mapping[str, float] | None = None,
        verdict: str = "shortcut not excluded (COVID-19)",
    ) -> AuditTables:
        random = np.random.default_rng(seed)
        best = dict.fromkeys(NETWORKS, 0.0) if quality is None else dict(quality)
        of_method = {name: 0.2 * place for place, (name, _) in enumerate(METHODS)}
        made, measured, agreed = [], [], []
        for number in range(films):
            kind = number % 3
            known = {"COVID-19": kind == 0, "Pneumonia": kind < 2, "No Finding": kind == 2}
            probabilities = {
                network: {
                    name: float(random.uniform(0.35, 0.99) if true else random.uniform(0, 0.6))
                    for name, true in known.items()
                }
                for network in NETWORKS
            }
            probabilities["mean"] = {n: float(np.mean([p[n] for p in probabilities.values()])) for n in LABELS}
            film = AuditedFilm(
                file=f"images/{number:04}.png",
                group=f"g{number * 3 // 4:04}",
                source=("NIH ChestX-ray14", "ieee8023")[number % 2],
                view=("PA", "AP")[number % 2],
                lung_kind="with heart area" if number % 2 else "",
                known=known,
                explained=tuple(name for name, true in known.items() if true),
                probabilities=probabilities,
                called={
                    network if network != "mean" else "majority": tuple(n for n, p in of.items() if p >= 0.5)
                    for network, of in probabilities.items()
                },
            )
            made.append(film)
            for label in film.explained:
                own = float(random.normal())
                for network in NETWORKS:
                    for method, _ in METHODS:
                        for name, family, better, sense in QUANTITIES:
                            if family == "lungs" and number % 2 == 0 and label != "COVID-19":
                                continue
                            if family == "localisation" and label != "Pneumonia":
                                continue
                            good = (
                                sense * best[network] + of_method[method] + 0.5 * own + noise * float(random.normal())
                            )
                            value = -good if better is Better.LOWER else good
                            if name in {"localisation.area", "lungs.outside_area"}:
                                value = 0.2
                            measured.append(Measured(film.file, network, method, label, name, value))
                    if label == "Pneumonia":
                        measured.append(
                            Measured(film.file, network, "average_mask", label, "localisation.auprc", 0.5 + 0.5 * own)
                        )
                for a, first in enumerate(NETWORKS):
                    agreed += [
                        Agreed(
                            film.file, label, "networks", method, first, second, quantity, float(random.uniform(0, 1))
                        )
                        for second in NETWORKS[a + 1 :]
                        for method, _ in METHODS[:2]
                        for quantity in ("spearman", "top_overlap")
                    ]
                    agreed.append(
                        Agreed(film.file, label, "methods", first, METHODS[0][0], METHODS[1][0], "spearman", 0.4)
                    )
        head = AuditHead(
            data="made-up films",
            manifest_sha256="0" * 64,
            split="test",
            labels=tuple(Label(name=name, implies="Pneumonia" if name == "COVID-19" else None) for name in LABELS),
            networks=NETWORKS,
            network_versions=dict.fromkeys(NETWORKS, 3),
            input_sizes=dict.fromkeys(NETWORKS, 128),
            methods=tuple(
                MethodAsked(
                    name=name, title=name.replace("_", " ").capitalize(), parameters={"steps": 3}, signed=signed
                )
                for name, signed in METHODS
            ),
            quantities=tuple(
                Quantity(
                    name=name,
                    title=name.replace("_", " ").replace(".", ": ").capitalize(),
                    description="A made-up number without a unit.",
                    family=family,
                    better=better,
                    reference="Nobody 2026",
                    variant="made up",
                )
                for name, family, better, _ in QUANTITIES
            ),
            films=tuple(made),
            chosen="Twenty films of each label, drawn at random by patient.",
            seed=0,
            seconds=1234.5,
            worker_seconds={"method occlusion": 900.0, "measure deletion": 300.0},
            created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            versions={"torch": "2.14.1"},
            shortcut_verdict=verdict,
            scores={
                name: {"micro_f1": value}
                for name, value in (scores or {n: 0.7 + 0.01 * p for p, n in enumerate(NETWORKS)}).items()
            },
        )
        return AuditTables(head, tuple(measured), tuple(agreed), ())

    return make


@pytest.fixture(scope="session")
def in_order() -> dict[str, float]:
    """Return networks that are far apart, resnet18 the best."""
    return {name: 2.0 - place for place, name in enumerate(NETWORKS)}


@pytest.fixture(scope="session")
def lose() -> Callable[..., AuditTables]:
    """Take rows of a map out of tables, as if it had failed."""

    def lose(tables: AuditTables, which: Callable[[Measured], bool]) -> AuditTables:
        gone = dict.fromkeys((row.file, row.network, row.method, row.label) for row in tables.measured if which(row))
        rows = tuple(row for row in tables.measured if not which(row))
        failed = tuple(Failed(*key, "map", "the method failed") for key in gone)
        return AuditTables(tables.head, rows, tables.agreed, failed)

    return lose


class MadeUpPictures:
    """Films of grey discs and maps of blobs."""

    grid: tuple[str, ...] = ()

    def film(self, file: str) -> np.ndarray | None:
        number = int(file[7:11])
        rows, columns = np.mgrid[0:400, 0 : 340 + 30 * (number % 4)]
        shade = 0.15 + 0.1 * np.sin(rows / 90) ** 2
        for centre in (0.3, 0.7):
            wide = columns.shape[1]
            shade = shade + 0.5 * (((columns / wide - centre) / 0.17) ** 2 + ((rows / 400 - 0.5) / 0.36) ** 2 < 1)
        return np.clip(shade, 0, 1).astype(np.float32)

    def map(self, file: str, network: str, method: str, label: str) -> tuple[np.ndarray, Affine] | None:
        if (network, method) == ("inception_v3", "guided_backprop"):
            return None
        film = self.film(file)
        assert film is not None
        place = NETWORKS.index(network)
        rows, columns = np.mgrid[0:128, 0:128]
        blob = np.exp(-(((rows - 50 - 8 * place) / 14) ** 2 + ((columns - 40) / 10) ** 2))
        against = 0.6 * np.exp(-(((rows - 80) / 10) ** 2 + ((columns - 90) / 12) ** 2))
        signed = dict(METHODS)[method]
        values = blob - against if signed else blob + 0.2 * against
        return values.astype(np.float32), fit(*film.shape, 128).affine

    def boxes(self, file: str, label: str) -> tuple[Box, ...]:
        return (Box("Lung Opacity", 40, 90, 60, 80),) if label == "Pneumonia" else ()


@pytest.fixture(scope="session")
def pictures() -> MadeUpPictures:
    return MadeUpPictures()


@pytest.fixture
def make_films(tmp_path: Path) -> MakeFilms:
    """Write films of 80 x 60 pixels, and a manifest of rows whose cells are given; ``labels`` default to Pneumonia."""

    def make(rows: Sequence[Mapping[str, str]]) -> tuple[Path, list[Film]]:
        films, table = [], []
        for number, cells in enumerate(rows):
            name = f"{number}.png"
            Image.fromarray(np.full((60, 80), 90, np.uint8)).save(tmp_path / name)
            labels = cells.get("labels", "Pneumonia").split(";")
            known = {label: label in labels for label in ("Pneumonia", "COVID-19", "No Finding")}
            films.append(
                Film(tmp_path / name, name, number + 2, known, f"g{number}", source=cells.get("source", "A/b"))
            )
            table.append({"file": name, **cells})
        columns = list(dict.fromkeys(column for row in table for column in row))
        with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(table)
        return tmp_path / "manifest.csv", films

    return make
