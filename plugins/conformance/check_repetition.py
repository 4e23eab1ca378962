"""The same request gives the same bits, whatever happened before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from .breach import Breach
from .networks import apart, ordinary
from .subject import Recording, Subject

__all__ = ["check_determinism", "check_no_memory", "check_random_state"]


def check_determinism(subject: Subject) -> None:
    """Run the same request twice, under other global random states."""
    case = ordinary(subject.channels)
    with _random_states_kept():
        _seed_all(1)
        first = subject.record(case)
        _seed_all(2)
        second = subject.record(case)
    _same(first, second, _RANDOM)


def check_no_memory(subject: Subject) -> None:
    """Run a request before and after another one."""
    case = ordinary(subject.channels)
    first = subject.record(case)
    subject.record(apart(subject.channels), (0,))
    _same(first, subject.record(case), _MEMORY)


def check_random_state(subject: Subject) -> None:
    """Look at the global random states before and after a run."""
    with _random_states_kept():
        _seed_all(3)  # Of its own: a method that seeds them has left its mark already.
        before = _random_states()
        subject.record(ordinary(subject.channels))
        after = _random_states()
    changed = [name for name, state in before.items() if after[name] != state]
    if changed:
        raise Breach(
            f"the method changes the global random state of {', '.join(changed)}; draw from a generator of your own, "
            "such as torch.Generator().manual_seed(params.seed), or inside torch.random.fork_rng()"
        )


_RANDOM = (
    "the same request gives another map when it is repeated; draw random numbers from a generator of your own that is "
    "seeded from the parameters, such as torch.Generator().manual_seed(params.seed), and keep no state between calls"
)
_MEMORY = "a request gives another map after a request for another image; keep no state between calls of explain"


def _same(first: Recording, second: Recording, remedy: str) -> None:
    if len(first.maps) != len(second.maps):
        raise Breach(f"{len(first.maps)} maps the first time, {len(second.maps)} the second: {remedy}")
    for one, other in zip(first.maps, second.maps, strict=True):
        if one.target != other.target or not torch.equal(one.values, other.values):
            which = "final" if one.final else "partial"
            raise Breach(f"target {one.target}, {which} map: {remedy}")


def _random_states() -> dict[str, str]:
    return {
        "torch": repr(torch.get_rng_state().numpy().tobytes()),
        "numpy": repr([part.tobytes() if isinstance(part, np.ndarray) else part for part in np.random.get_state()]),
        "the module random": repr(random.getstate()),
    }


def _seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextmanager
def _random_states_kept() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
