"""What every method costs on every network: time and memory of one label with default parameters."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from radiolucent.evaluation.explanations.settling import PAPER_METHODS
from radiolucent.handlers.repository import FIVE_NETWORKS
from radiolucent.plugins import Completeness, NotApplicable

from .context import Context
from .memory import in_a_fresh_process, peak_mib
from .subjects import SIDE, Explained, Subject, built_in, explain, open_subject, subject_names

TITLE = "Every method on every network"
SHORT = 2.0
"""Seconds below which a method is run a second time, and that is told."""


def measure(context: Context) -> dict[str, Any]:
    """Explain the first film with each method on each network, each of these in a fresh process."""
    methods = PAPER_METHODS if context.short else tuple(sorted(built_in().methods))
    networks = subject_names(context, short=("resnet18", "densenet161"))
    rows: dict[str, dict[str, Any]] = {}
    for network in networks:
        found = in_a_fresh_process(_rows, context.repository, context.films[0], context.threads, network, methods)
        for method, row in found.items():
            rows.setdefault(method, {})[network] = row
    return {"input": dict.fromkeys(networks, SIDE), "networks": networks, "methods": rows}


def _rows(repository: Path, film: Path, threads: int, network: str, methods: Sequence[str]) -> dict[str, Any]:
    torch.set_num_threads(threads)
    subject = open_subject(Context(repository, (film,), False, threads, lambda line: None), network)
    image = subject.image(film)
    # The first pass pays for what every later one has, and lifting is done once for a network.
    explain(subject, image, "input_x_gradient", subject.labels[:1])
    subject.network.graph_of(subject.script)
    rows = {}
    for name in methods:
        rows[name] = _row(subject, image, name)
        sys.stderr.write(f"latency: {network}: {name} {rows[name]}\n")
    return rows


def _row(subject: Subject, image: torch.Tensor, name: str) -> dict[str, Any]:
    target, method = subject.strongest(image), built_in().method(name)
    found: list[tuple[Explained, float]] = []

    def work() -> None:
        start = time.process_time()
        explained = explain(subject, image, name, [target])
        found.append((explained, time.process_time() - start))

    try:
        subject.network.form_for(method)
        peak = peak_mib(work)
        if found[0][0].seconds < SHORT:  # the first pass of a shape makes oneDNN's code for it
            work()
    except NotApplicable as error:
        return {"refused": str(error)}
    explained, processor = found[-1]
    one = explained.maps[target]
    row: dict[str, Any] = {
        "processor_seconds": round(processor, 2),
        "seconds": round(explained.seconds, 2),
        "peak_mib": peak,
        "passes": explained.passes,
    }
    if method.completeness is not Completeness.NONE and one.convergence_delta is not None:
        change = float(one.values.sum()) - one.convergence_delta
        scale = max(abs(change), 0.01 * float(one.values.abs().sum()))
        row["error"] = float(f"{abs(one.convergence_delta) / scale:.1e}")
    return row


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the table."""
    known = built_in().methods
    networks = [name for name in FIVE_NETWORKS if name in measured["networks"]]
    networks += [name for name in measured["networks"] if name not in networks]
    sizes = ", ".join(f"{name} {measured['input'][name]}" for name in networks)
    lines = [
        f"One label of one film with default parameters, on a network that is loaded and warm (a run of less than "
        f"{SHORT:g} s is the second one; longer ones pay for what they import): seconds by the clock "
        f"on the wall, processor seconds of all threads, and the most memory beside the loaded network, MiB. Below, "
        f"of complete methods, the convergence delta as a share of the change of the output (of a hundredth of the "
        f"sum of magnitudes where that is more). Input sides in pixels: {sizes}.",
        "",
        "| method | needs | completeness | " + " | ".join(networks) + " |",
        "|---|---|---|" + "---|" * len(networks),
    ]
    for name, method in sorted(known.items()):
        needs = ", ".join(sorted(need.value for need in method.needs))
        cells = [_cell(measured["methods"].get(name, {}).get(network)) for network in networks]
        row = [f"`{name}`", needs, method.completeness.value.replace("_", " "), *cells]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    if "refused" in row:
        return "refused"
    text = f"{row['seconds']:.2f} s, {row['processor_seconds']:.2f} processor s, {row['peak_mib']} MiB"
    return f"{text}<br>{row['error']:.0e}" if "error" in row else text
