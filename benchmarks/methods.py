"""Run every built-in method on every network of a model set; writes docs/methods.json and its pictures.

    python -m benchmarks.methods MODEL_REPOSITORY [FILM]

FILM is a PNG, JPEG or DICOM; by default a phantom is drawn, with a lesion, and the pictures of docs/methods.md too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
DOCS = Path(__file__).parents[1] / "docs"
THREADS = 1
PICTURED = "resnet34"
DEPTHS = (0.1, 0.3, 1.0)
"""Shares of the weights, from the output on, that are shuffled to see what a map owes to them."""
_VERSIONS = ("torch", "captum", "zennit", "saliency", "scikit-learn", "scikit-image", "numpy")


def measure(folder: str, film: str, method: str, target: str) -> dict[str, Any]:
    """Explain one film with one method, in a fresh process."""
    import torch
    from radiolucent.plugins import Attribution, Completeness, NotApplicable, heatmap, load_registry
    from radiolucent.plugins.runner import explain

    torch.set_num_threads(THREADS)
    # The first pass pays for what every later one has; every method is measured behind it.
    explain(film, folder, "input_x_gradient", targets=target)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    partial: list[Attribution] = []
    start = time.process_time()
    try:
        found = explain(film, folder, method, targets=target, on_partial=partial.append)
    except NotApplicable as error:
        return {"refused": str(error)}
    seconds = time.process_time() - start
    after = memory("VmHWM")
    (one,) = found.maps
    row: dict[str, Any] = {
        "seconds": round(seconds, 2),
        "peak_mib": round((after - before) / 1024),
        "forward_passes": found.forward_passes,
        "cost": found.cost,
        "first_partial": round(partial[0].fraction, 3) if partial else None,
    }
    shown = load_registry().method(method)
    final = one.heatmap.numpy().ravel()
    for some in partial:
        plane = heatmap(some.values, signed=shown.signed, channels=shown.channels).numpy().ravel()
        row.setdefault("convergence", []).append([round(some.fraction, 3), rank_correlation(plane, final)])
    if shown.completeness is not Completeness.NONE and one.convergence_delta is not None:
        total, change = float(one.values.sum()), float(one.values.sum()) - one.convergence_delta
        scale = max(abs(change), 0.01 * float(one.values.abs().sum()))
        row |= {
            "sum": round(total, 4),
            "change": round(change, 4),
            "error": float(f"{abs(total - change) / scale:.1e}"),
        }
    row["heatmap"] = one.heatmap.numpy()
    row["image"] = found.image.numpy()[0]
    return row


def memory(field: str) -> int:
    """Return what the kernel says of this process's memory, KiB: what it has now (VmRSS) or had at most (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")))


def randomised(folder: str, film: str, method: str, target: str, depth: float) -> Plane:
    """Explain the same film after the last weights of the network were shuffled, each tensor by itself."""
    import torch
    from radiolucent.plugins.runner import explain
    from radiolucent.plugins.runner.networks import open_network

    torch.set_num_threads(THREADS)
    network = open_network(folder)
    if network.card is None:
        raise ValueError(f"{folder} has no card")
    generator = torch.Generator().manual_seed(0)
    weights = list(network.module.parameters())[::-1]
    with torch.no_grad():
        for tensor in weights[: round(depth * len(weights))]:
            flat = tensor.flatten()
            tensor.copy_(flat[torch.randperm(len(flat), generator=generator)].view_as(tensor))
    labels = [label.name for label in network.card.labels]
    found = explain(film, network.module, method, targets=labels.index(target), spec=network.card.input)
    plane: Plane = found.maps[0].heatmap.numpy()
    return plane


def rank_correlation(one: Plane, other: Plane) -> float:
    """Spearman's; of a map without any contrast, 0."""
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return round(float(spearmanr(one, other).statistic), 3)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=DOCS / "methods.json")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    from radiolucent.handlers.repository import FIVE_NETWORKS, Repository
    from radiolucent.plugins import load_registry

    repository = Repository(arguments.repository)
    scratch = tempfile.TemporaryDirectory()
    film, target = (str(arguments.film), None) if arguments.film else drawn_phantom(Path(scratch.name, "phantom.png"))
    methods = sorted(load_registry(()).methods)
    rows: dict[str, dict[str, Any]] = {name: {} for name in methods}
    inputs: dict[str, int] = {}
    maps: dict[str, Any] = {}
    curves: dict[str, list[float]] = {}

    def save() -> None:
        document = {
            "versions": {name: version(name) for name in _VERSIONS},
            "threads": THREADS,
            "input": inputs,
            "networks": list(FIVE_NETWORKS),
            "pairs": most_similar({name: plane for name, plane in maps.items() if name}),
            "randomisation": {"depths": DEPTHS, "correlations": curves},
            "methods": rows,
        }
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        if not arguments.film:
            paint_all(maps)
            draw_curves(document)

    # Another process for each network, so that none finds the memory of the one before.
    for network in sorted(FIVE_NETWORKS, key=lambda name: name != PICTURED):
        newest = repository.versions(network)[-1]
        inputs[network] = repository.card(network, newest).input.size
        chosen = target or repository.card(network, newest).labels[0].name
        folder = str(repository.member_version_dir(network, newest))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            for name in methods:
                row = pool.submit(measure, folder, film, name, chosen).result()
                plane, image = row.pop("heatmap", None), row.pop("image", None)
                rows[name][network] = row
                if network == PICTURED and plane is not None:
                    maps[name] = plane
                    maps.setdefault("", image)
                sys.stderr.write(f"{network} {name} {row}\n")
            for name in methods if network == PICTURED else ():
                if name in maps:
                    planes = [pool.submit(randomised, folder, film, name, chosen, depth).result() for depth in DEPTHS]
                    magnitude = np.abs(maps[name]).ravel()
                    curves[name] = [rank_correlation(np.abs(one).ravel(), magnitude) for one in planes]
                    sys.stderr.write(f"randomised {name} {curves[name]}\n")
        save()


def drawn_phantom(file: Path) -> tuple[str, str]:
    """Draw the first phantom of the test series that has a lesion; return its file and its label."""
    from PIL import Image
    from radiolucent.training.examples import PhantomExamples

    drawn = (PhantomExamples(0).load("test", index) for index in range(50))
    film = next(film for film, known in drawn if known["Pneumonia"])
    Image.fromarray(np.uint8(np.rint(film.pixels * 255))).save(file)
    return str(file), "Pneumonia"


def most_similar(maps: dict[str, Any]) -> list[list[Any]]:
    """Rank-correlate every pair of maps; return those above .9."""
    from scipy.stats import spearmanr

    names = sorted(maps)
    found = spearmanr(np.stack([maps[name].ravel() for name in names], axis=1)).statistic
    pairs = [
        [names[i], names[j], round(float(found[i, j]), 4)]
        for i in range(len(names))
        for j in range(i)
        if found[i, j] > 0.9
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def paint_all(maps: dict[str, Any]) -> None:
    """Paint one picture per method, as the client paints them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from radiolucent.client import Sign
    from radiolucent.client.rendering import paint, scale_of
    from radiolucent.plugins import load_registry

    folder = DOCS / "images" / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    image = maps[""]
    for name in filter(None, maps):
        plane = maps[name]
        sign = Sign.SIGNED if load_registry(()).method(name).signed else Sign.UNSIGNED
        figure = Figure(figsize=(2, 2), dpi=96)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        paint(axes, image, plane, scale_of(plane, sign))
        figure.savefig(folder / f"{name}.png", metadata={"Software": "radiolucent"})


def draw_curves(document: dict[str, Any]) -> None:
    """Draw how partial maps approach the final ones, and what is left of the maps when weights are shuffled."""
    streamed = {
        name: networks[PICTURED]["convergence"]
        for name, networks in document["methods"].items()
        if "convergence" in networks.get(PICTURED, {})
    }
    depths = [0.0, *document["randomisation"]["depths"]]
    shuffled = {
        name: list(zip(depths, [1.0, *values], strict=True))
        for name, values in document["randomisation"]["correlations"].items()
    }
    _lines(streamed, "share of the work", "rank correlation with the final map", "methods_convergence.png")
    _lines(
        shuffled, "share of the weights shuffled, from the output on", "rank correlation", "methods_randomisation.png"
    )


def _lines(curves: dict[str, list[Any]], across: str, up: str, file: str) -> None:
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, (name, points) in enumerate(sorted(curves.items())):
        colour = colormaps["viridis"](number / max(1, len(curves) - 1))
        axes.plot(*zip(*points, strict=True), color=colour, marker="osD^vPX*"[number % 8], markersize=4, label=name)
    axes.set(xlabel=across, ylabel=up, xlim=(0, 1), ylim=(-0.3, 1.02))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize=8)
    figure.savefig(DOCS / "images" / file, metadata={"Software": "radiolucent"})


if __name__ == "__main__":
    main()
