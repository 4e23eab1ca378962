"""What bfloat16 gains, and what it does to outputs and maps."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from .context import Context

__all__ = ["TITLE", "markdown", "measure"]

TITLE = "bfloat16"

_SHORT = ("resnet18",)
"""Networks of a short run."""
_METHODS: Mapping[str, Mapping[str, Any]] = {
    "saliency": {},
    "input_x_gradient": {},
    "guided_backprop": {},
    "integrated_gradients": {},
    "grad_cam": {},
    "occlusion": {},
    "rise": {"masks": 200},
    "smooth_grad": {"samples": 5},
    "deep_lift": {},
    "lrp": {},
}
_SHORT_METHODS = ("saliency", "input_x_gradient", "integrated_gradients", "grad_cam", "occlusion")
_SURVIVES = 0.95
"""Rank correlation from which on a map counts as the same; the worst of the films decides."""


def measure(context: Context) -> dict[str, Any]:
    """Compare both precisions on every network of a model set, on one film after the other.

    Parameters
    ----------
    context : Context
        The model set and the films.

    Returns
    -------
    dict
        Per network: core-milliseconds per image, errors of the outputs, and errors of the maps by method.
    """
    import torch
    from radiolucent.plugins import NotApplicable

    torch.set_num_threads(context.threads)
    folders = sorted(path.parent for path in context.repository.glob("*/*/model.pt"))
    if context.short:
        folders = [folder for folder in folders if folder.parent.name in _SHORT] or folders[:1]
    films = context.films[: 2 if context.short else 3]
    networks: dict[str, dict[str, Any]] = {}
    # As in a worker: the profiling executor makes the first passes of every new shape slow.
    with warnings.catch_warnings(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        warnings.simplefilter("ignore")
        for folder in folders:
            context.say(f"{folder.parent.name}: passes")
            try:
                networks[folder.parent.name] = {
                    **_passes(folder, films, 5 if context.short else 15),
                    "maps": _maps(folder, films, context),
                }
            except NotApplicable as error:
                networks[folder.parent.name] = {"refused": str(error)}
    supported = {
        "amx": bool(torch.cpu._is_amx_tile_supported()),
        "avx512_bf16": bool(torch.cpu._is_avx512_bf16_supported()),
    }
    return {"films": len(films), "threads": context.threads, "processor": supported, "networks": networks}


def _passes(folder: Any, films: Sequence[Any], rounds: int) -> dict[str, Any]:  # noqa: ANN401 - a path
    import torch
    from radiolucent.plugins import ExplainableNetwork, Precision, load_registry
    from radiolucent.plugins.runner.images import read_image
    from radiolucent.plugins.runner.networks import open_network

    opened = open_network(folder)
    assert opened.card is not None  # noqa: S101 - a model set has cards
    network = ExplainableNetwork(opened.module, opened.card.input)
    exact, reduced = (network.at(precision) for precision in Precision)
    forward, gradient = (load_registry().method(name) for name in ("occlusion", "saliency"))
    images = [read_image(film, opened.card.input)[0] for film in films]

    def back(form: torch.nn.Module) -> None:
        points = images[0].clone().requires_grad_()
        torch.autograd.grad(form(points)[:, 0].sum(), points)

    def there(form: torch.nn.Module) -> None:
        with torch.no_grad():
            form(images[0])

    found: dict[str, Any] = {}
    for name, method, run in (("forward", forward, there), ("backward", gradient, back)):
        forms = (exact.form_for(method), reduced.form_for(method))
        found[name] = _interleaved([lambda form=form, run=run: run(form) for form in forms], rounds)  # type: ignore[misc]
    with torch.no_grad():
        pairs = [(reduced.folded()(image), exact.folded()(image)) for image in images]
    found["logit_error"] = max(float((one - other).abs().max()) for one, other in pairs)
    found["probability_error"] = max(float((one.sigmoid() - other.sigmoid()).abs().max()) for one, other in pairs)
    return found


def _interleaved(runs: Sequence[Callable[[], None]], rounds: int) -> dict[str, Any]:
    """Time two things in turn: processor time, so that what else runs here counts little."""
    times: list[list[float]] = []
    for run in runs:
        run()
    for _ in range(rounds):
        row = []
        for run in runs:
            begin = time.process_time()
            run()
            row.append(1000 * (time.process_time() - begin))
        times.append(row)
    ratios = [exact / reduced for exact, reduced in times]
    low, middle, high = statistics.quantiles(ratios, n=4)
    float32, bfloat16 = (statistics.median(column) for column in zip(*times, strict=True))
    return {"float32_ms": float32, "bfloat16_ms": bfloat16, "ratio": middle, "quartiles": [low, high]}


def _maps(folder: Any, films: Sequence[Any], context: Context) -> dict[str, Any]:  # noqa: ANN401 - a path
    import numpy as np
    from radiolucent.plugins import NotApplicable, Precision
    from radiolucent.plugins.runner import explain
    from scipy.stats import spearmanr

    rows: dict[str, Any] = {}
    for method in _SHORT_METHODS if context.short else _METHODS:
        context.say(f"{folder.parent.name}: {method}")
        correlations, errors = [], []
        try:
            for film in films:
                exact, reduced = (
                    explain(film, folder, method, targets=0, parameters=_METHODS[method], precision=precision)
                    for precision in Precision
                )
                one, other = (made.maps[0].heatmap.numpy().ravel() for made in (exact, reduced))
                if np.ptp(one) > 0:  # of a map without contrast there is no order
                    correlations.append(float(spearmanr(one, other).statistic))
                    errors.append(float(np.abs(one - other).max() / np.ptp(one)))
        except NotApplicable as error:
            rows[method] = {"refused": str(error)}
            continue
        if not correlations:
            rows[method] = {"refused": "not compared: its maps in float32 have no contrast"}
            continue
        rows[method] = {
            "median": statistics.median(correlations),
            "worst": min(correlations),
            "max_error": max(errors),
        }
    return rows


def markdown(measured: Mapping[str, Any]) -> str:
    """Return the tables of what `measure` found; rows in which bfloat16 loses say so, by the worst map."""
    processor = [name for name, there in measured["processor"].items() if there]
    head = (
        f"Processor time, {measured['threads']} thread(s), float32 and bfloat16 in turn; ratio and its quartiles. "
        f"The processor's units for bfloat16: {', '.join(processor) or 'none, so that it is emulated'}. "
        f"Maps of {measured['films']} films; max error as a share of the map's range."
    )
    passes = "\n".join(
        chain(_table(("network", "pass", "float32, ms", "bfloat16, ms", "ratio", "")), _pass_rows(measured))
    )
    outputs = "\n".join(
        chain(
            _table(("network", "largest error of a logit", "of a probability")),
            (
                _row((name, f"{one['logit_error']:.2g}", f"{one['probability_error']:.2g}"))
                for name, one in measured["networks"].items()
                if "refused" not in one
            ),
        )
    )
    names = ("method", "network", "median Spearman", "worst", "max error", "")
    maps = "\n".join(chain(_table(names), _map_rows(measured)))
    return "\n\n".join([head, passes, outputs, maps])


def _pass_rows(measured: Mapping[str, Any]) -> Iterator[str]:
    for name, one in measured["networks"].items():
        if "refused" in one:
            yield _row((name, "", "", "", "", one["refused"]))
            continue
        for key, words in (("forward", "forward"), ("backward", "forward and backward")):
            row = one[key]
            low, high = row["quartiles"]
            ratio = f"{row['ratio']:.2f} ({low:.2f} to {high:.2f})"
            lost = "bfloat16 loses" if row["ratio"] < 1 else ""
            yield _row((name, words, f"{row['float32_ms']:.1f}", f"{row['bfloat16_ms']:.1f}", ratio, lost))


def _map_rows(measured: Mapping[str, Any]) -> Iterator[str]:
    for name, one in measured["networks"].items():
        for method, row in one.get("maps", {}).items():
            if "refused" in row:
                yield _row((method, name, "", "", "", row["refused"]))
                continue
            lost = f"bfloat16 loses: below {_SURVIVES}" if row["worst"] < _SURVIVES else ""
            numbers = (f"{row['median']:.4f}", f"{row['worst']:.4f}", f"{row['max_error']:.3f}")
            yield _row((method, name, *numbers, lost))


def _table(names: Sequence[str]) -> Iterator[str]:
    yield _row(names)
    yield _row(["---"] * len(names))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
