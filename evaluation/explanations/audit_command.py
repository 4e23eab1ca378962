"""The command ``radiolucent audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...client.commands.options import Address, Repository, RootCertificates
from .affordable import in_words

if TYPE_CHECKING:
    from rich.console import Console

    from ...datasets import DataSet
    from ..progress import Progress
    from .settling import AuditWishes
    from .stored_maps import StoredMaps
    from .tables import AuditTables

__all__ = ["audit"]

_INPUT = 2
_LOST = 3
_PARTLY = 4
_STOPPED = 130


def audit(
    manifest: Annotated[Path | None, typer.Option(help="Manifest of the X-rays.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of its images, if not beside it.", file_okay=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for everything. An audit that was stopped goes on in it; another one is refused.",
            file_okay=False,
        ),
    ] = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Whose X-rays are explained.")] = "test",
    films: Annotated[str, typer.Option(metavar="N|all", help="How many X-rays are drawn.")] = "50",
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "--methods",
            metavar="NAME|all",
            help="Repeatable.",
            show_default="occlusion, saliency, input_x_gradient, guided_backprop, integrated_gradients, deep_lift",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME.PARAMETER=VALUE",
            help="A parameter of a method or measure; repeatable. What is dear has fewer passes here than elsewhere.",
            show_default=in_words(),
        ),
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option("--network", "--networks", metavar="NAME", help="Repeatable.", show_default="all that vote"),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "--labels",
            metavar="LABEL",
            help="Explained where it is true; repeatable.",
            show_default="all of the manifest",
        ),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option("--measure", "--measures", metavar="NAME|all|none", help="Repeatable.", show_default="all"),
    ] = None,
    robustness_films: Annotated[
        int, typer.Option(min=0, help="Measure robustness on this many X-rays, the first drawn.")
    ] = 10,
    randomisation_films: Annotated[
        int, typer.Option(min=0, help="Measure randomisation on this many X-rays, the first drawn.")
    ] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(
            help="In which networks are explained and measured. bfloat16 is fast on some processors, and approximate; "
            "the report says how far it moves outputs and maps."
        ),
    ] = "float32",
    float32_films: Annotated[
        int,
        typer.Option(
            min=0,
            help="With another precision: compute the maps of this many X-rays, the first drawn, in float32 too, and "
            "tell how alike they are. Below 10 there is no interval.",
        ),
    ] = 10,
    grid_films: Annotated[
        str, typer.Option(metavar="FILE,FILE", help="X-rays for the report's grid of pictures, of those drawn.")
    ] = "",
    profiles: Annotated[
        Path | None,
        typer.Option(
            help="Neuron activation profiles of the same networks, for the report: the folder with NETWORK.json and "
            "NETWORK.npz that `radiolucent profile` wrote.",
            file_okay=False,
        ),
    ] = None,
    from_tables: Annotated[
        Path | None,
        typer.Option(
            help="Compute the result and the report again from this folder of tables. With --manifest also what "
            "follows from the maps beside it.",
            file_okay=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost; write nothing.")] = False,
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
) -> None:
    """Compare networks and methods by how they explain X-rays that the networks were not trained on.

    Draws X-rays of a split, lets a server explain their true labels on every network with every method, measures the
    maps, and reports. Writes tables/ (every number, film by film), films/ and maps/ (what is finished, to go on from),
    and the report. Research use only. Not for diagnosis.

    Exit code 2: bad input; 3: the server cannot be reached; 4: X-rays are missing; 130: stopped; what is finished is
    kept.
    """
    from rich.console import Console

    from ...datasets import DataSetsError
    from ...handlers.errors import HandlersError
    from ..errors import EvaluationError
    from .errors import ServerLost
    from .settling import AuditWishes

    console = Console(stderr=True)
    grid = tuple(file.strip() for file in grid_films.split(",") if file.strip())
    try:
        if from_tables is not None:
            _again(from_tables, out or from_tables.parent, (manifest, images), grid, profiles, console)
            return
        if manifest is None or (out is None and not dry_run):
            raise EvaluationError(
                "name the manifest of the X-rays and a folder: --manifest and --out (or --from-tables)"
            )
        wishes = AuditWishes(
            split=split,
            films=_count(films),
            methods=methods or (),
            networks=networks or (),
            labels=labels or (),
            measures=measures or (),
            settings=settings or (),
            robustness_films=robustness_films,
            randomisation_films=randomisation_films,
            seed=seed,
            grid=grid,
            profiles=profiles,
            precision=precision,
            float32_films=float32_films,
        )
        _run((manifest, images), None if dry_run else out, wishes, (address, repository, root_certificates), console)
    except (EvaluationError, HandlersError, DataSetsError) as error:
        console.print("[red]audit:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_LOST if isinstance(error, ServerLost) else _INPUT) from None
    except KeyboardInterrupt:
        kept = (
            ""
            if out is None or dry_run or from_tables
            else f"; finished X-rays are kept in {out}: the same command goes on"
        )
        console.print(f"stopped{kept}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_STOPPED) from None


def _count(films: str) -> int | None:
    from ..errors import EvaluationError

    if films == "all":
        return None
    if not films.isascii() or not films.isdigit() or int(films) < 1:
        raise EvaluationError(f"--films {films}: a number of X-rays, or all")
    return int(films)


def _run(
    data: tuple[Path, Path | None],
    out: Path | None,
    wishes: AuditWishes,
    server: tuple[str | None, Path | None, Path | None],
    console: Console,
) -> None:
    import asyncio

    from ...client.commands.options import reachable
    from ..bars import bars
    from .affordable import workers_of_ours
    from .audit import explain_all, plan_audit
    from .deriving import derive
    from .stored_maps import StoredMaps
    from .storing import read_audit_tables, write_audit_tables

    address, repository, root_certificates = server
    data_set = _read(*data, console)
    with reachable(address, repository, console, workers_of_ours()) as reached:
        if out is None:
            for line in asyncio.run(plan_audit(reached, root_certificates, wishes, data_set)):
                typer.echo(line)
            return
        tables = asyncio.run(explain_all(reached, root_certificates, wishes, data_set, out, console))
    maps = StoredMaps(out / "maps", data_set, wishes.grid)
    with bars(console) as progress:
        write_audit_tables(derive(tables, data_set, maps, progress), out / "tables")
        kept = read_audit_tables(out / "tables")
        _write(kept, out, maps, wishes.profiles, progress)
    _say(kept, out, console)
    if any(not row.network and row.file for row in tables.failed):
        raise typer.Exit(_PARTLY)


def _again(
    folder: Path,
    out: Path,
    data: tuple[Path | None, Path | None],
    grid: tuple[str, ...],
    profiles: Path | None,
    console: Console,
) -> None:
    """Compute everything again that needs no server."""
    from ..bars import bars
    from ..errors import EvaluationError
    from .deriving import derive
    from .stored_maps import StoredMaps
    from .storing import read_audit_tables, write_audit_tables

    tables = read_audit_tables(folder)
    manifest, images = data
    maps: StoredMaps | None = None
    if manifest is not None:
        data_set = _read(manifest, images, console)
        if data_set.checksum != tables.head.manifest_sha256:
            raise EvaluationError(f"{manifest} is not the manifest of these tables: its checksum is another")
        maps = StoredMaps(folder.parent / "maps", data_set, grid)
    with bars(console) as progress:
        if maps is not None:
            write_audit_tables(derive(tables, data_set, maps, progress), out / "tables")
            tables = read_audit_tables(out / "tables")
        _write(tables, out, maps, profiles, progress, folder)
    _say(tables, out, console)


def _write(
    tables: AuditTables,
    out: Path,
    maps: StoredMaps | None,
    profiles: Path | None,
    progress: Progress,
    folder: Path | None = None,
) -> None:
    """Write what was found, with the profiles that are named or were kept beside the tables."""
    from ..errors import EvaluationError
    from ..profiles.sections import profile_sections
    from .profiled import keep_profiles, kept_profiles, planes_of, read_profiles
    from .writing import write_audit

    if not tables.head.films:
        why = (folder or out / "tables") / "failures.csv"
        raise EvaluationError(f"no X-ray was explained, so there is nothing to report: {why} has the reasons")
    if profiles is None:
        write_audit(tables, out, maps, profiles=kept_profiles(folder or out / "tables"), progress=progress)
        return
    records = read_profiles(profiles, tables.head.network_weights)
    keep_profiles(records, out / "tables")
    sections = profile_sections(planes_of(profiles, records))
    write_audit(tables, out, maps, profiles=records, extra_sections=sections, progress=progress)


def _read(manifest: Path, images: Path | None, console: Console) -> DataSet:
    from functools import partial

    from ...datasets import read_data_set
    from ..bars import bars

    with bars(console) as progress:
        return read_data_set(manifest, images, lone_labels=True, pixels=False, progress=partial(progress, "manifest"))


def _say(tables: AuditTables, out: Path, console: Console) -> None:
    """Say what there is, what is missing, what it cost, and where to read on."""
    from ...client.commands.durations import in_words
    from ...handlers import INTENDED_USE
    from .audit import most_first

    head = tables.head
    lines = [
        f"{len(head.films)} X-rays, {len(head.networks)} networks, {len(head.methods)} methods: {len(tables.measured)} "
        f"numbers; {len(tables.failed)} things are missing, each with its reason in tables/failures.csv",
        f"explained and measured in {in_words(head.seconds)}; what took the workers' time "
        f"({in_words(sum(head.worker_seconds.values()))}): {most_first(head.worker_seconds) or 'not told'}",
        INTENDED_USE,
        f"report: {(out / 'report.html').resolve().as_uri()}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
