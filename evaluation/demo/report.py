"""The demo's report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..figure import grid_figure
from .explaining import ExplainedFilm
from .result import DemoResult


def picture(explained: ExplainedFilm, methods: list[str], intended_use: str) -> bytes:
    """Draw networks x methods for one film as a PNG."""
    return grid_figure(
        inputs=explained.inputs(),
        heatmaps=explained.heatmaps(),
        methods=methods,
        outlines=explained.outlines(),
        title=f"Why {explained.finding}? ({explained.film.path.name})",
        intended_use=intended_use,
    )


def render_report(result: DemoResult, pictures: list[bytes]) -> str:
    """Render the report.

    Parameters
    ----------
    result
        What came out.
    pictures
        PNGs of the first explained films, in their order.

    Returns
    -------
    str
        HTML with everything inside.
    """
    environment = Environment(
        loader=PackageLoader("radiolucent.evaluation.demo", "."),
        autoescape=True,
        undefined=StrictUndefined,
    )
    methods = list(result.methods)
    return environment.get_template("report.html.jinja").render(
        use=result.classifications[0].intended_use,
        claims=result.claims(),
        pictures=[_entry(explained, png) for explained, png in zip(result.explained, pictures, strict=False)],
        models=result.models,
        methods=methods,
        explained=len(result.explained),
        area=result.lesion_area(),
        average=result.average_precision_of_average_mask(),
        table=[
            {
                "name": model,
                "f1": result.network_f1(model),
                "cells": [result.average_precision(model, method) for method in methods],
            }
            for model in result.models
        ],
        ensemble_f1=result.ensemble_f1(),
        seconds=result.seconds,
        versions=result.versions,
    )


def _entry(explained: ExplainedFilm, png: bytes) -> dict[str, Any]:
    classification = explained.explanation.classification
    if classification is None:
        raise ValueError("an explained film without a classification")
    return {
        "png": base64.b64encode(png).decode(),
        "title": f"Why {explained.finding}? {explained.film.path.name}",
        "first": explained.first_map_seconds,
        "seconds": explained.seconds,
        "maps": len(explained.explanation.heatmaps),
        "warning": classification.warning,
        "votes": [
            {
                "label": vote.label,
                "cells": [(a.probabilities[index], a.votes[index]) for a in classification.answers],
                "votes": vote.votes,
                "mean": vote.mean_probability,
                "majority": vote.majority,
                "truth": explained.film.known.get(vote.label, False),
            }
            for index, vote in enumerate(classification.labels)
        ],
    }
