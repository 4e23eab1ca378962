"""What an audit will cost, before it begins: a dry run of one film of each kind stands for all films of the kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...client import InvalidRequest, Precision, Unsupported
from .asked import AuditAsked
from .asking import blames_film
from .errors import AuditRefused
from .requesting import Asker, FilmAsked, plan_film

__all__ = ["Estimate", "estimate", "map_bytes"]

_COMPRESSED = 0.93  # of float32 maps, measured: noise does not compress


@dataclass(frozen=True)
class Estimate:
    """A rough cost, as good as the server's knowledge of its own speed.

    Parameters
    ----------
    weights : dict of str to float
        By file: seconds of one worker; where the server does not tell, a number that is right beside the others.
    by_method : dict of str to float
        Seconds of one worker for all films together, measures included.
    known : bool
        Whether the server told.
    """

    weights: dict[str, float]
    by_method: dict[str, float] = field(default_factory=dict)
    known: bool = True

    @property
    def worker_seconds(self) -> float | None:
        """Seconds of one worker for all films; None where the server does not tell."""
        return sum(self.weights.values()) if self.known else None


async def estimate(client: Asker, work: Sequence[FilmAsked], asked: AuditAsked) -> Estimate:
    """Estimate what films cost.

    Parameters
    ----------
    client : Asker
        Whom to ask.
    work : sequence of FilmAsked
        The films.
    asked : AuditAsked
        The audit.

    Returns
    -------
    Estimate
        From one dry run for each number of labels and set of measures, and one for those of their maps that are
        compared with float32's.

    Raises
    ------
    AuditRefused
        If the server refuses the audit itself, such as a parameter.
    RadiolucentError
        If the server cannot be asked.
    """
    kinds: defaultdict[tuple[int, tuple[str, ...], bool], list[FilmAsked]] = defaultdict(list)
    for one in work:
        kinds[len(one.labels), tuple(one.measures), one.compared].append(one)
    weights: dict[str, float] = {}
    by_method: defaultdict[str, float] = defaultdict(float)
    for alike in kinds.values():
        seconds, items = await _of_one(client, alike, asked)
        if seconds is not None:
            weights.update({one.film.file: seconds for one in alike})
            for method, share in items.items():
                by_method[method] += share * len(alike)
    known = len(weights) == len(work)
    if not known:
        weights = {one.film.file: float(len(one.labels) * (1 + len(one.measures))) for one in work}
    return Estimate(weights, dict(by_method) if known else {}, known)


async def _of_one(
    client: Asker, alike: Sequence[FilmAsked], asked: AuditAsked
) -> tuple[float | None, Mapping[str, float]]:
    """Plan the first of these films that the server takes."""
    for one in alike:
        try:
            plans = [await plan_film(client, one, asked, Precision(asked.precision))]
            if one.compared:
                plans.append(await plan_film(client, one.in_float32, asked, Precision.FLOAT32))
        except InvalidRequest as error:
            if not blames_film(error):
                raise AuditRefused([str(error)]) from error
            continue  # the film's own problem: it is told where the film is asked for
        except OSError:
            continue
        except Unsupported:
            return None, {}
        by_method: defaultdict[str, float] = defaultdict(float)
        for plan in plans:
            for item, cost in zip(plan.items, plan.estimates, strict=False):
                by_method[item.method] += cost.elapsed_s
        seconds = [plan.estimated_work_s for plan in plans if plan.estimated_work_s is not None]
        return sum(seconds) if len(seconds) == len(plans) else None, by_method
    return None, {}


def map_bytes(asked: AuditAsked, input_sizes: Mapping[str, int], work: Sequence[FilmAsked]) -> int:
    """Return about how many bytes the maps of films take on disk."""
    of_label = sum(4 * input_sizes[network] ** 2 for network in asked.networks) * len(asked.methods)
    return int(_COMPRESSED * of_label * sum(len(one.labels) for one in work))
