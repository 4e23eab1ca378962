"""From what somebody asks for to what an audit is: every name is checked against the data and the server at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...client import InvalidRequest
from ...client.commands.asked import ALL, parse_settings
from ...datasets import DataSet, Split
from ...plugins.measures import Family
from .affordable import AFFORDABLE
from .asked import AuditAsked
from .errors import AuditRefused
from .offered import Offered

__all__ = ["PAPER_METHODS", "AuditWishes", "settle"]

PAPER_METHODS = (
    "occlusion",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "integrated_gradients",
    "deep_lift",
)
"""The six local methods of arXiv:2006.02570."""

NONE = "none"


@dataclass(frozen=True)
class AuditWishes:
    """What the command line says.

    Parameters
    ----------
    split : str
        Whose films.
    films : int, optional
        How many; None: all.
    methods, networks, labels, measures : sequence of str
        Names; empty: the paper's methods, and all of the others. "all" and, of measures, "none" are understood.
    settings : sequence of str
        ``name.parameter=value`` of methods and measures.
    robustness_films, randomisation_films : int, optional
        See `AuditAsked`.
    seed : int
        Of the draw.
    grid : sequence of str
        Films for the picture grid.
    profiles : Path, optional
        Folder of neuron activation profiles of the same networks.
    precision : str
        In which networks compute what explains and measures.
    float32_films : int
        Where that is not float32: see `AuditAsked`.
    """

    split: Split = "test"
    films: int | None = 50
    methods: Sequence[str] = ()
    networks: Sequence[str] = ()
    labels: Sequence[str] = ()
    measures: Sequence[str] = ()
    settings: Sequence[str] = ()
    robustness_films: int | None = None
    randomisation_films: int | None = None
    seed: int = 0
    grid: Sequence[str] = ()
    profiles: Path | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    float32_films: int = 0


def settle(wishes: AuditWishes, data_set: DataSet, offered: Offered) -> AuditAsked:
    """Say what the audit is.

    Parameters
    ----------
    wishes : AuditWishes
        What was asked for.
    data_set : DataSet
        The films.
    offered : Offered
        What the server has.

    Returns
    -------
    AuditAsked
        With every name resolved.

    Raises
    ------
    AuditRefused
        With everything that cannot be.
    """
    problems: list[str] = []
    of_data = [label.name for label in data_set.labels]
    served = [label.name for label in offered.labels]
    films = data_set.of(wishes.split)
    if not films:
        problems.append(f"the split {wishes.split} has no X-rays")
    methods = _known("method", wishes.methods or PAPER_METHODS, offered.methods, problems)
    networks = _known("network", wishes.networks, offered.networks, problems)
    labels = _labels(wishes.labels, of_data, served, problems)
    no_measures = list(wishes.measures) == [NONE]
    measures = [] if no_measures else _known("measure", wishes.measures, offered.measures, problems)
    problems += _of_no_family(measures, offered)
    parameters = _parameters(wishes.settings, methods, measures, problems)
    if films and labels and not any(film.known.get(label) for film in films for label in labels):
        problems.append(f"no X-ray of the split {wishes.split} is known to have {', '.join(labels)}")
    files = {film.file for film in films}
    problems += [
        f"--grid-films: the split {wishes.split} has no X-ray {file!r}" for file in wishes.grid if file not in files
    ]
    if problems:
        raise AuditRefused(problems)
    return AuditAsked(
        data=data_set.name,
        manifest_sha256=data_set.checksum,
        split=wishes.split,
        labels=tuple(labels),
        films=wishes.films,
        seed=wishes.seed,
        model_set=offered.model_set,
        networks={name: offered.networks[name] for name in networks},
        weights={name: offered.weights[name] for name in networks},
        methods={name: {**AFFORDABLE.get(name, {}), **parameters.get(name, {})} for name in methods},
        measures={name: {**AFFORDABLE.get(name, {}), **parameters.get(name, {})} for name in measures},
        robustness_films=wishes.robustness_films,
        randomisation_films=wishes.randomisation_films,
        precision=wishes.precision,
        float32_films=0 if wishes.precision == "float32" else wishes.float32_films,
    )


def _known(kind: str, names: Sequence[str], there: Iterable[str], problems: list[str]) -> list[str]:
    """Return names in the server's order for "all", else as they were asked for; nothing asked for means all."""
    all_of_them = list(there)
    if not names or ALL in names:
        return all_of_them
    wanted = list(dict.fromkeys(names))
    problems += [
        f"there is no {kind} {name!r}; there are {', '.join(all_of_them) or 'none'}"
        for name in wanted
        if name not in all_of_them
    ]
    return wanted


def _of_no_family(measures: Sequence[str], offered: Offered) -> Iterator[str]:
    """Say which measures cannot be compared with others."""
    known = [one.value for one in Family]
    for name in measures:
        if name in offered.measures and (family := offered.measures[name].family) not in known:
            said = f"is of the kind {family!r}" if family else "is of no kind that the server tells"
            yield f"the measure {name} {said}; an audit compares within {', '.join(known)}"


def _labels(names: Sequence[str], of_data: Sequence[str], served: Sequence[str], problems: list[str]) -> list[str]:
    wanted = list(dict.fromkeys(names)) or list(of_data)
    lacking = [name for name in wanted if name not in served]
    if lacking:
        hint = "" if names else "; name those to explain with --label"
        problems.append(f"the served networks do not know {', '.join(lacking)}, but {', '.join(served)}{hint}")
    unheard = [name for name in wanted if name not in of_data]
    if unheard:
        problems.append(f"the manifest does not know {', '.join(unheard)}, but {', '.join(of_data)}")
    return [name for name in wanted if name in served and name in of_data]


def _parameters(
    settings: Sequence[str], methods: Sequence[str], measures: Sequence[str], problems: list[str]
) -> dict[str, dict[str, Any]]:
    parameters: dict[str, dict[str, Any]] = {}
    for setting in settings:
        try:
            for name, values in parse_settings([setting]).items():
                parameters.setdefault(name, {}).update(values)
        except InvalidRequest as error:  # noqa: PERF203  - each is told
            problems.append(str(error))
    runs = [*methods, *measures]
    problems += [
        f"--set {name}.…: {name} is neither a method nor a measure that was asked for: {', '.join(runs)}"
        for name in parameters
        if name not in runs
    ]
    return parameters
