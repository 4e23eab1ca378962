"""The command ``radiolucent profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ..progress import Progress
    from .asked import Made
    from .subjects import Subjects

__all__ = ["profile"]

_INPUT = 2


def profile(
    manifest: Annotated[Path, typer.Option(help="Manifest of the X-rays; of a run, the one that it was trained on.")],
    groups: Annotated[
        str,
        typer.Option(
            help="What films are grouped by: label, label:disjoint, label-x-prediction[:LABEL], source, main-source, "
            "view, sex, age."
        ),
    ] = "label",
    repository: Annotated[Path | None, typer.Option(help="Profile a model set of this repository.")] = None,
    set_version: Annotated[int | None, typer.Option("--set", help="Which one; the newest.", min=1)] = None,
    run: Annotated[Path | None, typer.Option(help="Profile the networks of a finished run.", file_okay=False)] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, if not beside the manifest.", file_okay=False)
    ] = None,
    split: Annotated[str, typer.Option(help="Which films: test, val, train or all.")] = "test",
    labels: Annotated[
        list[str] | None, typer.Option(help="Only films with this label, and groups of it. May be repeated.")
    ] = None,
    sources: Annotated[list[str] | None, typer.Option(help="Only films of this source. May be repeated.")] = None,
    networks: Annotated[list[str] | None, typer.Option(help="Only this network. May be repeated.")] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="A layer, or auto: those where the shape changes. May be repeated.")
    ] = None,
    list_layers: Annotated[bool, typer.Option("--list-layers", help="Print the names of all layers and stop.")] = False,
    align: Annotated[
        str,
        typer.Option(help="none, or gradient: the peak of the label's gradient is moved to the middle."),
    ] = "none",
    name: Annotated[str | None, typer.Option(help="What the profile is called; by-GROUPS.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for everything; profile/NAME, of a run in it.", file_okay=False),
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Put it into the model set too: served.")] = False,
) -> None:
    """Show what the feature maps of networks do on groups of X-rays (neuron activation profiles).

    Writes profiles/ (mean activations), profile.md, profile.json and figures/. Research use only. Not for diagnosis.

    Exit code 1: some network could not be profiled; 2: bad input.
    """
    from rich.console import Console

    from ...handlers.errors import HandlersError
    from ..bars import bars
    from ..errors import EvaluationError

    console = Console(stderr=True)
    try:
        with bars(console) as progress:
            subjects = _subjects((run, repository, set_version), manifest, images, networks or (), progress)
            if list_layers:
                _list_layers(subjects)
                return
            asked = (groups, layers or (), align, name, split, labels or (), sources or (), store)
            target, made = _make(asked, subjects, run, out, progress)
    except (EvaluationError, HandlersError) as error:
        console.print("[red]profile:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_INPUT) from None
    _say(made, target, console)
    if made.failed:
        raise typer.Exit(1)


def _subjects(
    where: tuple[Path | None, Path | None, int | None],
    manifest: Path,
    images: Path | None,
    names: Sequence[str],
    progress: Progress,
) -> Subjects:
    from functools import partial

    from ...datasets import DataSetsError, read_data_set
    from .errors import ProfileRefused
    from .subjects import subjects_of_repository, subjects_of_run

    run, repository, version = where
    if (run is None) == (repository is None):
        raise ProfileRefused(["name what is profiled: --repository or --run, one of them"])
    if run is not None and version is not None:
        raise ProfileRefused(["--set is a model set of --repository; a run has none"])
    try:
        # A run says itself which films it was made of; doubtful ones may be among them.
        data_set = read_data_set(
            manifest,
            images,
            lone_labels=True,
            keep_doubtful=run is not None,
            pixels=False,
            progress=partial(progress, "manifest"),
        )
    except DataSetsError as error:
        raise ProfileRefused([str(error)]) from error
    if run is not None:
        return subjects_of_run(run, data_set, names)
    return subjects_of_repository(repository or Path(), version, data_set, names)


def _make(
    asked: tuple[str, Sequence[str], str, str | None, str, Sequence[str], Sequence[str], bool],
    subjects: Subjects,
    run: Path | None,
    out: Path | None,
    progress: Progress,
) -> tuple[Path, Made]:
    from ...handlers.profile import PROFILES
    from .asking import ask, refuse_mixed
    from .making import make_profiles
    from .writing import STORED, serve_profiles, write_profiles

    wanted, films = ask(subjects, *asked)
    target = out or (run or Path()) / "profile" / wanted.name
    store = subjects.folder if wanted.served else None
    refuse_mixed(wanted, subjects, [target / STORED, *([store / PROFILES] if store else [])])
    made = make_profiles(wanted, subjects, films, target / STORED, progress)
    write_profiles(made, target, progress)
    if store:
        serve_profiles(made, target, store)
    return target, made


def _list_layers(subjects: Subjects) -> None:
    """Print the layers of each network; those that are profiled without being named are marked."""
    from rich.console import Console

    from ...handlers.lifting import NotLiftable, lift
    from .errors import ProfileRefused
    from .places import places_of
    from .stages import stages

    if subjects.problems:
        raise ProfileRefused(subjects.problems)
    console = Console()
    for subject in subjects.networks:
        network = subject.network
        try:
            lifted = lift(network.script)
        except NotLiftable as reason:
            console.print(f"{network.name} {reason}", markup=False, highlight=False, soft_wrap=True)
            continue
        places = places_of(lifted, network.spec)
        marked = {place.name for place in stages(lifted, places)}
        for place in places.values():
            text = (
                f"{network.name} {place.name} {' x '.join(map(str, place.shape))}{' (auto)' * (place.name in marked)}"
            )
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _say(made: Made, folder: Path, errors: Console) -> None:
    """Print what was left out, the dead maps, and where to read on."""
    from rich.console import Console
    from rich.table import Table

    from ...handlers import INTENDED_USE
    from .tables import dead_table

    for text in (*made.left_out, *(f"not profiled: {name} {reason}" for name, reason in made.failed.items())):
        errors.print(text, markup=False, highlight=False, soft_wrap=True)
    console = Console()
    dead = dead_table(made.records)
    table = Table(*dead.header, title=dead.title)
    for row in dead.rows:
        table.add_row(*row)
    console.print(table)
    console.print(INTENDED_USE, style="bold")
    console.print(f"tables: {(folder / 'profile.md').resolve().as_uri()}", highlight=False, soft_wrap=True)
    console.print(f"pictures: {(folder / 'figures').resolve().as_uri()}", highlight=False, soft_wrap=True)
