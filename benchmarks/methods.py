"""Show what the maps of every built-in method are like on one network; writes docs/methods.json and its pictures.

    python -m benchmarks.methods MODEL_REPOSITORY [FILM]

FILM is a PNG, JPEG or DICOM; by default a phantom is drawn, with a lesion, and the pictures of docs/methods.md too.
What methods cost is another matter: ``python -m benchmarks --part latency``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class Seen:
    """A method's map of one film.

    Parameters
    ----------
    plane : ndarray
        The final heatmap, float32 [H, W].
    image : ndarray
        What the network saw, float32 [C, H, W].
    convergence : list of (float, float)
        Of every partial map: the share of the work in it, and its rank correlation with the final one.
    """

    plane: Plane
    image: Plane
    convergence: list[tuple[float, float]]


def look(folder: str, film: str, method: str, target: str) -> Seen | None:
    """Explain one film with one method; None where the method refuses the network."""
    import torch
    from radiolucent.plugins import Attribution, NotApplicable, heatmap, load_registry
    from radiolucent.plugins.runner import explain

    torch.set_num_threads(THREADS)
    partial: list[Attribution] = []
    try:
        found = explain(film, folder, method, targets=target, on_partial=partial.append)
    except NotApplicable:
        return None
    shown = load_registry().method(method)
    final: Plane = found.maps[0].heatmap.numpy()
    convergence = []
    for some in partial:
        plane = heatmap(some.values, signed=shown.signed, channels=shown.channels).numpy().ravel()
        convergence.append((round(some.fraction, 3), rank_correlation(plane, final.ravel())))
    return Seen(final, found.image.numpy()[0], convergence)


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
    """Look at every method, and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=DOCS / "methods.json")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    from radiolucent.handlers.repository import Repository
    from radiolucent.plugins import load_registry

    repository = Repository(arguments.repository)
    scratch = tempfile.TemporaryDirectory()
    film, target = (str(arguments.film), None) if arguments.film else drawn_phantom(Path(scratch.name, "phantom.png"))
    newest = repository.versions(PICTURED)[-1]
    card = repository.card(PICTURED, newest)
    chosen = target or card.labels[0].name
    folder = str(repository.member_version_dir(PICTURED, newest))
    seen: dict[str, Seen] = {}
    curves: dict[str, list[float]] = {}
    for name in sorted(load_registry(()).methods):
        if (found := look(folder, film, name, chosen)) is None:
            continue
        seen[name] = found
        planes = [randomised(folder, film, name, chosen, depth) for depth in DEPTHS]
        magnitude = np.abs(found.plane).ravel()
        curves[name] = [rank_correlation(np.abs(one).ravel(), magnitude) for one in planes]
        sys.stderr.write(f"{name}: weights shuffled {curves[name]}\n")
    document = {
        "versions": {name: version(name) for name in _VERSIONS},
        "threads": THREADS,
        "network": PICTURED,
        "input": card.input.size,
        "pairs": most_similar({name: one.plane for name, one in seen.items()}),
        "randomisation": {"depths": DEPTHS, "correlations": curves},
        "convergence": {name: one.convergence for name, one in seen.items() if one.convergence},
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if not arguments.film:
        paint_all(seen)
        draw_curves(document)


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


def paint_all(seen: dict[str, Seen]) -> None:
    """Paint one picture per method, as the client paints them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from radiolucent.client import Sign
    from radiolucent.client.rendering import paint, scale_of
    from radiolucent.plugins import load_registry

    folder = DOCS / "images" / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in seen.items():
        sign = Sign.SIGNED if load_registry(()).method(name).signed else Sign.UNSIGNED
        figure = Figure(figsize=(2, 2), dpi=96)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        paint(axes, one.image, one.plane, scale_of(one.plane, sign))
        figure.savefig(folder / f"{name}.png", metadata={"Software": "radiolucent"})


def draw_curves(document: dict[str, Any]) -> None:
    """Draw how partial maps approach the final ones, and what is left of the maps when weights are shuffled."""
    streamed = document["convergence"]
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
