"""The steps of the demo, each skipped where it was done before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import track

from ...client import Client
from ...client.local_server import local_server
from ...datasets import DataSet, read_data_set
from ..explanations.truths import Truths, read_truths
from ..program import run_command
from .explaining import Explainer
from .report import picture, render_report
from .result import DemoResult

UNSEEN_SEED = 20_200_602
"""Seed of the phantoms that are classified; training uses another, so no network has seen them."""
UNSEEN = 150
LESIONS = {80: "Viral Pneumonia", 120: "COVID-19", 160: "Bacterial Pneumonia"}
"""What the values of a phantom's lesion mask mean."""
PICTURES = 3
METHODS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "integrated_gradients": {"steps": 20},
    "occlusion": {"window": 0.1875, "baseline": "mean"},
}
"""Every method, at settings that two cores finish in seconds; `radiolucent explain` has the field's defaults.

Windows show the film's mean brightness: a black one on a bright film is a finding of its own."""


@dataclass(frozen=True)
class DemoOptions:
    """How the demo runs.

    Attributes
    ----------
    folder
        Everything is written here.
    explained
        Number of films that are explained on every network with every method.
    console
        Where progress shows.
    """

    folder: Path
    explained: int
    console: Console


def run_demo(options: DemoOptions) -> DemoResult:
    """Train, export, serve, classify, explain, measure and write the report.

    Parameters
    ----------
    options
        How.

    Returns
    -------
    DemoResult
        What came out; ``report.html``, ``summary.json`` and ``figure.png`` are in the folder.

    Raises
    ------
    EvaluationError, RadiolucentError
        If a step fails.
    """
    folder, run, repository = options.folder, options.folder / "run", options.folder / "model_repository"
    folder.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    with _timed(seconds, "train the five networks"):
        run_command("train", "--preset", "demo", "--out", str(run))
    with _timed(seconds, "export the model set"):
        if not any(repository.glob("chest_xray/*/model_set.json")):
            run_command("export", str(run), "--repository", str(repository))
    with _timed(seconds, "draw unseen phantoms"):
        data_set, truths = _phantoms(folder / "xrays")
    films = data_set.films
    others = [film for film in data_set.of("train") if film.file in truths.disease]
    # With one kind of lesion, a map of it must point at all that is marked.
    single = [film for film in data_set.of("test") if len(truths.disease.get(film.file, ())) == 1]
    chosen = single[: options.explained]

    with ExitStack() as stack:
        with _timed(seconds, "start Triton and the gateway"):
            client = stack.enter_context(Client(stack.enter_context(local_server(repository, options.console))))
        with _timed(seconds, f"classify {len(films)} X-rays"):
            steps = track(films, f"classify {len(films)} X-rays", console=options.console)
            classifications = [client.classify(film.path) for film in steps]
        with _timed(seconds, f"explain {len(chosen)} X-rays"):
            explainer = Explainer(client, METHODS, truths, others)
            steps = track(chosen, f"explain {len(chosen)} X-rays", console=options.console)
            explained = [explainer.explain(film) for film in steps]
        versions = client.server_info().component_versions
    result = DemoResult(films, classifications, explained, METHODS, _thumbnail_f1(run), versions, seconds)
    _write(folder, result)
    return result


def _phantoms(folder: Path) -> tuple[DataSet, Truths]:
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        run_command("phantoms", "--out", str(folder), "--count", str(UNSEEN), "--seed", str(UNSEEN_SEED))
    data_set = read_data_set(manifest, pixels=False)
    return data_set, read_truths(manifest, data_set.films, lesions=LESIONS)


def _thumbnail_f1(run: Path) -> float:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return float(record["thumbnail_ridge"]["micro_f1"])


def _write(folder: Path, result: DemoResult) -> None:
    use = result.classifications[0].intended_use
    pictures = [picture(explained, list(result.methods), use) for explained in result.explained[:PICTURES]]
    (folder / "figure.png").write_bytes(pictures[0])
    (folder / "report.html").write_text(render_report(result, pictures), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(result.to_json(), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = perf_counter()
    yield
    seconds[step] = perf_counter() - start
