"""Progress that can be believed, and a first map that comes soon."""

from __future__ import annotations

from numbers import Integral

from .breach import Breach
from .networks import ordinary
from .subject import TARGETS, Subject

__all__ = ["check_first_partial", "check_progress"]

_MANY = 40
"""Samples through the network from which a caller does not want to wait for the end."""
_SOON = 0.2
"""Share of them after which the first map must have come."""


def check_progress(subject: Subject) -> None:
    """Compare the reports with each other, with `cost` and with the forward passes."""
    recording = subject.whole
    reports = recording.run.job.reports
    if not reports:
        raise Breach("no progress is reported; call job.progress(done, total) after each batch, and at the end")
    earlier = 0
    for done, total in reports:
        if not (isinstance(done, int) and isinstance(total, int)) or not 0 <= done <= total:
            raise Breach(f"progress must be whole numbers with 0 <= done <= total, not {done!r} of {total!r}")
        if done < earlier:
            raise Breach(f"progress falls from {earlier} to {done}; report the work done so far")
        earlier = done
    done, total = reports[-1]
    if len({whole for _, whole in reports}) > 1 or done != total:
        raise Breach(
            f"progress ends at {done} of {total}; keep one total throughout and end at job.progress(total, total)"
        )
    _check_cost(subject, total)
    for target in TARGETS:
        fractions = [one.fraction for one in recording.maps if one.target == target]
        if fractions != sorted(fractions):
            raise Breach(
                f"the fraction of the maps of target {target} falls: {fractions}; it is the share of work done"
            )


def _check_cost(subject: Subject, total: int) -> None:
    passes = subject.whole.run.model.forward_passes
    cost = subject.cost(ordinary(subject.channels), len(TARGETS))
    if not isinstance(cost, Integral) or isinstance(cost, bool):
        raise Breach(f"cost must return a whole number, not {cost!r}")
    if total != cost:
        raise Breach(f"progress has the total {total}, but cost says {cost}; report self.cost(...) as the total")
    most = 3 * passes * (1 + 2 * len(TARGETS))
    if not passes <= cost <= most:
        raise Breach(
            f"cost says {cost}, but {passes} samples went forward; count a forward pass of a sample as 1 and a "
            "backward pass as 2. Where it can only be a bound or an expectation, set parameters in the test class for "
            "which it is reached"
        )
    adaptive = subject.method.adaptive(subject.params())
    if not isinstance(adaptive, bool):
        raise Breach(f"adaptive must return True or False, not {adaptive!r}")


def check_first_partial(subject: Subject) -> None:
    """Look when the first map of a long run comes."""
    recording = subject.alone(TARGETS[0])
    whole = recording.run.model.forward_passes
    first = recording.passes[0]
    if subject.streams and whole >= _MANY and first > _SOON * whole:
        raise Breach(
            f"the first map comes after {first} of {whole} forward passes; yield the first partial map (final=False) "
            "before 20 % of them, for instance when radiolucent.plugins.stages says that one is due. Where a part of "
            "the work tells nothing, set streams = False in the test class"
        )
