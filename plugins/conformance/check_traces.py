"""A method leaves everything as it was: when it ends, when it is cancelled, when nobody wants its maps any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from ..errors import Cancelled
from .breach import Breach
from .networks import ordinary
from .state import hooks, network_state
from .subject import Run, Subject
from .witness import Enough

__all__ = ["check_hooks", "check_nothing_changed"]


def check_hooks(subject: Subject) -> None:
    """Count the hooks before and after."""
    for ending in _endings(subject):
        if ending.hooks:
            raise Breach(
                f"{ending.when}, hooks are left on {', '.join(ending.hooks[:3])}; remove every handle in a `finally` "
                "of explain"
            )


def check_nothing_changed(subject: Subject) -> None:
    """Compare image, network and torch's modes before and after; grad mode at every map too."""
    for ending in _endings(subject):
        if ending.change:
            raise Breach(f"{ending.when}, {ending.change}")


@dataclass(frozen=True)
class _Ending:
    """What a run left behind.

    Parameters
    ----------
    when : str
        How it ended.
    hooks : tuple of str
        Places with more hooks than before.
    change : str or None
        What else is not as before, and how to mend it.
    """

    when: str
    hooks: tuple[str, ...]
    change: str | None


@lru_cache(maxsize=2)
def _endings(subject: Subject) -> tuple[_Ending, ...]:
    case = ordinary(subject.channels)
    middle = max(1, subject.whole.run.model.calls // 2)
    return (
        _observed("when the method has ended", subject.start(case), _to_the_end),
        _observed("when the method is cancelled", subject.start(case, cancel_at=middle), _to_the_end),
        _observed(
            "when its maps are no longer wanted (generator closed after the first)", subject.start(case), _to_the_first
        ),
    )


def _observed(when: str, run: Run, end: Callable[[Run], str | None]) -> _Ending:
    grad_mode, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    hooks_before, before, image = hooks(run.model), network_state(run.model), run.image.clone()
    try:
        change = end(run) or _changed_mode(grad_mode, dtype)
    finally:
        torch.set_grad_enabled(grad_mode)
        torch.set_default_dtype(dtype)
    difference = before.difference(network_state(run.model))
    if run.image.requires_grad or run.image.grad is not None:
        change = change or "the image requires a gradient; work on image.detach().clone()"
    elif not torch.equal(run.image, image):
        change = change or "the image is changed; work on image.clone()"
    elif difference:
        change = change or f"the network is changed ({difference}); put it back in a `finally` of explain"
    left = (place for place, count in hooks(run.model).items() if count > hooks_before.get(place, 0))
    return _Ending(when, tuple(left), change)


def _changed_mode(grad_mode: bool, dtype: torch.dtype) -> str | None:
    if torch.is_grad_enabled() != grad_mode:
        return "torch's grad mode is changed; yield outside of `with torch.no_grad()` and its like"
    if torch.get_default_dtype() is not dtype:
        return "torch's default dtype is changed; say the dtype where a tensor is made"
    return None


def _to_the_end(run: Run) -> str | None:
    grad_mode, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    change = None
    try:
        for _ in run.raw:
            change = change or _changed_mode(grad_mode, dtype)
    except (Cancelled, Enough):
        pass
    except Exception:
        if not run.job.cancelled:  # check_cancellation has a word on what is raised then
            raise
    return change


def _to_the_first(run: Run) -> str | None:
    next(run.raw, None)
    close = getattr(run.raw, "close", None)  # a list's iterator has none
    if close is not None:
        close()
    return None
