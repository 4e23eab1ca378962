"""What folding batch normalisations does to outputs and gradients, beside what float32 does to them anyway."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from radiolucent.plugins import NotApplicable
from radiolucent.plugins.methods.quadrature import quadrature

from .context import Context
from .subjects import SIDE, Subject, as_the_server, built_in, forward, input_gradient, open_subject, subject_names

TITLE = "Folding, and units next to zero"

STEPS = 16
"""Points of integrated gradients, by Gauss and Legendre."""
AT_ONCE = 4
FILMS = 3
MAPS = ("gradient", f"integrated gradients, {STEPS} points")
PAIRS = (("copy", "float64"), ("folded", "float64"), ("folded", "copy"))

Form = tuple[Callable[[torch.Tensor], torch.Tensor], torch.dtype]
"""A network, and what it computes with."""


def measure(context: Context) -> dict[str, Any]:
    """Compute the maps of some films by the copy, the folded network, and the network in double precision."""
    films = context.films[: 1 if context.short else FILMS]
    rows = []
    for name in subject_names(context, short=("resnet18",)):
        subject = open_subject(context, name)
        try:
            double = copy.deepcopy(subject.network.lifted()).double()
        except NotApplicable as error:
            context.say(f"{name} is left out: {error}")
            continue
        folded = subject.network.form_for(built_in().method("integrated_gradients"))
        with as_the_server():
            found = [_film(subject, subject.image(film), folded, double) for film in films]
        rows.append({"network": name, "films": found})
        context.say(f"{name}: {len(films)} films")
    return {"side": SIDE, "films": len(films), "rows": rows}


def _film(subject: Subject, image: torch.Tensor, folded: torch.nn.Module, double: torch.nn.Module) -> dict[str, Any]:
    target = subject.strongest(image)
    black = torch.full_like(image, subject.spec().black)
    forms: dict[str, Form] = {
        "copy": (subject.script, torch.float32),
        "folded": (folded, torch.float32),
        "float64": (double, torch.float64),
    }
    outputs = {name: forward(network, image.to(dtype))[0].double() for name, (network, dtype) in forms.items()}
    gradients = {name: _gradient(form, image, target)[0] for name, form in forms.items()}
    integrals = {name: _integral(form, image, black, target) for name, form in forms.items()}
    return {
        "outputs": {_of(pair): _largest(outputs[pair[0]], outputs[pair[1]]) for pair in PAIRS},
        "length": float((gradients["folded"] - gradients["copy"]).norm() / gradients["copy"].norm()),
        **{
            what: {_of(pair): _largest(maps[pair[0]], maps[pair[1]]) for pair in PAIRS}
            for what, maps in zip(MAPS, (gradients, integrals), strict=True)
        },
    }


def _gradient(form: Form, points: torch.Tensor, target: int) -> torch.Tensor:
    """Return the gradient of an output: float64, [N, C, H, W]."""
    network, dtype = form
    return input_gradient(network, points.to(dtype), target).double()


def _integral(form: Form, image: torch.Tensor, black: torch.Tensor, target: int) -> torch.Tensor:
    """Return integrated gradients, float64, [C, H, W]; every form gets the same points in float32."""
    nodes, weights = quadrature(STEPS)
    total = torch.zeros_like(image[0], dtype=torch.float64)
    for at, share in zip(nodes.split(AT_ONCE), weights.split(AT_ONCE), strict=True):
        points = torch.lerp(black, image, at.float()[:, None, None, None])
        total += (_gradient(form, points, target) * share[:, None, None, None]).sum(dim=0)
    return total * (image - black)[0].double()


def _largest(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference, as a share of the largest magnitude of the other."""
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))


def _of(pair: tuple[str, str]) -> str:
    return f"{pair[0]} - {pair[1]}"


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the table."""
    rows, films = measured["rows"], measured["films"]
    lines = [
        f"A unit next to zero may come to lie on its other side by rounding alone, and its gradient is switched then. "
        f"So the copy and the folded network are both compared with the network in double precision, whose inputs are "
        f"the same float32 numbers. Label of the largest output, {measured['side']} pixels, {films} "
        f"film{'s' * (films > 1)}, black baseline. Each number is the difference of the pixel (or output) where it is "
        f"largest, as a share of the largest magnitude: of the film in the middle, and of the worst.",
        "",
        f"| network | of | {' | '.join(map(_of, PAIRS))} |",
        "|---|---|" + "---|" * len(PAIRS),
    ]
    for row in rows:
        for what in ("outputs", *MAPS):
            cells = [_spread([film[what][_of(pair)] for film in row["films"]]) for pair in PAIRS]
            lines.append(f"| {row['network']} | {what} | {' | '.join(cells)} |")
    if not rows:
        return f"{lines[0]}\n\nNo network of this set can be lifted."
    lengths = [film["length"] for row in rows for film in row["films"]]
    outputs = [film["outputs"]["folded - copy"] for row in rows for film in row["films"]]
    lines += [
        "",
        f"Of all of these, outputs of the folded network are at most {max(outputs):.0e} of the largest from the "
        f"copy's, and its gradient as a whole at most {max(lengths):.0e} of the length of the copy's.",
    ]
    closer = {
        what: sum(
            film[what]["folded - float64"] <= film[what]["copy - float64"] for row in rows for film in row["films"]
        )
        for what in MAPS
    }
    told = ", ".join(f"{what} {number} of {len(lengths)}" for what, number in closer.items())
    lines.append(f"Films whose worst pixel the folded network has at least as near to double precision: {told}.")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{np.median(values):.0e}, {max(values):.0e}"
