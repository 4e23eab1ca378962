"""An audit of explanations from end to end: draw, explain and measure on a server, keep, and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ...client import AsyncClient
from ...client.commands.durations import in_words
from ...datasets import DataSet, Film
from ...handlers import ImageError, decode
from ..known_splits import refuse_other_splits
from .asked import AuditAsked
from .assembling import assemble
from .choosing import Chosen, Marks, choose_films
from .collecting import IN_FLIGHT, collect
from .errors import AuditRefused
from .estimating import Estimate, estimate, map_bytes
from .offered import Offered, ask_offered
from .profiled import read_profiles
from .records import FilmRecord, Records
from .requesting import Asker, FilmAsked
from .settling import AuditWishes, settle
from .showing import AuditBar
from .tables import AuditTables
from .truths import read_truths

__all__ = ["Planned", "explain_all", "explain_planned", "most_first", "plan_audit", "prepare"]


@dataclass(frozen=True)
class Planned:
    """What an audit is going to do.

    Parameters
    ----------
    asked : AuditAsked
        What it is.
    data_set : DataSet
        Its films.
    chosen : Chosen
        Those that were drawn.
    offered : Offered
        What the server has.
    """

    asked: AuditAsked
    data_set: DataSet
    chosen: Chosen
    offered: Offered

    def work(self, finished: Sequence[str] = ()) -> list[FilmAsked]:
        """Return what is to be asked for, in the order of the draw, but for films that are finished."""
        families = {name: measure.family for name, measure in self.offered.measures.items()}
        return [
            FilmAsked(
                film,
                self.chosen.explained[film.file],
                self.asked.measures_at(place, families),
                compared=place < self.asked.float32_films,
            )
            for place, film in enumerate(self.chosen.films)
            if film.file not in set(finished)
        ]


def prepare(wishes: AuditWishes, data_set: DataSet, offered: Offered) -> Planned:
    """Check what was asked for, and draw the films.

    Raises
    ------
    EvaluationError
        If it cannot be, with all reasons, or films may have been trained on.
    """
    refuse_other_splits(offered.trained_on, data_set)
    asked = settle(wishes, data_set, offered)
    if wishes.profiles is not None:
        read_profiles(wishes.profiles, asked.weights)  # what is wrong with them is said before the hours of work
    films = data_set.of(wishes.split)
    truths = read_truths(data_set.path, films)
    chosen = choose_films(
        films, asked.labels, asked.films, asked.seed, Marks(truths.disease.keys(), truths.lungs.keys()), _undecodable
    )
    if not chosen.films:
        raise AuditRefused([f"{file}: {why}" for file, why in chosen.unreadable] or ["there is no X-ray to explain"])
    lacking = [file for file in wishes.grid if file not in chosen.explained]
    if lacking:
        raise AuditRefused([f"--grid-films: {file!r} is not among the X-rays that were drawn" for file in lacking])
    return Planned(asked, data_set, chosen, offered)


async def plan_audit(address: str, root_certificates: Path | None, wishes: AuditWishes, data_set: DataSet) -> list[str]:
    """Say what an audit would cost, in sentences; nothing is run.

    Raises
    ------
    EvaluationError, RadiolucentError
        As `explain_all`.
    """
    async with AsyncClient(address, root_certificates=root_certificates) as client:
        offered = await ask_offered(client)
        planned = prepare(wishes, data_set, offered)
        work = planned.work()
        cost = await estimate(client, work, planned.asked)
    maps = sum(len(one.labels) for one in work) * len(planned.asked.networks) * len(planned.asked.methods)
    room = map_bytes(planned.asked, offered.input_sizes, work) / 2**20
    lines = [planned.chosen.words, f"{maps} maps of {len(work)} X-rays, about {room:.0f} MiB on disk."]
    if cost.worker_seconds is None:
        return [*lines, "The server does not tell what they cost."]
    lines.append(f"About {in_words(cost.worker_seconds)} of one worker.")
    if offered.workers > 1:
        at_a_time = min(offered.workers, IN_FLIGHT * len(planned.asked.networks))
        lines.append(f"With {offered.workers} workers about {in_words(cost.worker_seconds / at_a_time)}.")
    return [*lines, "By method, measures included: " + most_first(cost.by_method) + "."]


async def explain_all(
    address: str, root_certificates: Path | None, wishes: AuditWishes, data_set: DataSet, out: Path, console: Console
) -> AuditTables:
    """Explain and measure what is not finished yet, and put all of it together.

    Parameters
    ----------
    address : str
        The server's.
    root_certificates : Path, optional
        For TLS.
    wishes : AuditWishes
        What was asked for.
    data_set : DataSet
        The films.
    out : Path
        The audit's folder: it goes on from what is there.
    console : Console
        Where progress shows.

    Returns
    -------
    AuditTables
        What the server told; what follows from the stored maps is added by others.

    Raises
    ------
    EvaluationError
        If it cannot be made, or cannot go on; what is finished is kept.
    RadiolucentError
        If the server refuses to be asked.
    """
    async with AsyncClient(address, root_certificates=root_certificates) as client:
        planned = prepare(wishes, data_set, await ask_offered(client))
        return await explain_planned(client, planned, Records(out), console)


async def explain_planned(client: Asker, planned: Planned, records: Records, console: Console) -> AuditTables:
    """Do what was planned; see `explain_all`."""
    files = [film.file for film in planned.chosen.films]
    records.check(planned.asked)
    work = planned.work(list(records.read(files)))
    passing: list[FilmRecord] = []
    if work:
        if len(work) < len(files):
            console.print(f"{len(files) - len(work)} of {len(files)} X-rays are finished already", highlight=False)
        cost: Estimate = await estimate(client, work, planned.asked)
        left = None if cost.worker_seconds is None else cost.worker_seconds / planned.offered.workers
        records.begin(planned.asked)
        with AuditBar(console, cost.weights, left) as bar:
            passing = await collect(client, work, planned.asked, records, bar)
    finished = list(records.read(files).values())
    return assemble(planned.asked, planned.data_set, planned.chosen, planned.offered, [*finished, *passing])


def most_first(seconds: dict[str, float], most: int = 4) -> str:
    """Name what takes most of some time, with its share."""
    whole = sum(seconds.values())
    first = sorted(seconds.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {value / whole:.0%}" for name, value in first if whole > 0)


def _undecodable(film: Film) -> str:
    try:
        decode(film.path.read_bytes())
    except ImageError as error:
        return str(error)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
