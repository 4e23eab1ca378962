"""A cancelled method stops at its next forward pass."""

from __future__ import annotations

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from ..errors import Cancelled
from .breach import Breach
from .networks import ordinary
from .subject import Subject
from .witness import Enough

__all__ = ["check_cancellation", "check_every_pass_counts"]


def check_cancellation(subject: Subject) -> None:
    """Cancel at the first, at the second, at a middle and at the last forward pass."""
    calls = subject.whole.run.model.calls
    for call in sorted({1, min(2, calls), max(1, calls // 2), calls} - {0}):
        _cancel_at(subject, call)


def _cancel_at(subject: Subject, call: int) -> None:
    run = subject.start(ordinary(subject.channels), cancel_at=call)
    when = f"cancelled at forward pass {call}, the method"
    maps = 0
    try:
        for _ in run.raw:
            maps += run.job.cancelled
    except Cancelled:
        if run.job.asked_after > 1:
            raise Breach(f"{when} caught Cancelled and tried again before it gave up; {_LET_IT_PASS}") from None
    except Enough:
        raise Breach(f"{when} went on and on; {_LET_IT_PASS}") from None
    except Exception as error:
        if not run.job.cancelled:
            raise
        raise Breach(f"{when} raised {type(error).__name__} instead of Cancelled; {_LET_IT_PASS}") from error
    else:
        if run.job.cancelled:
            raise Breach(f"{when} swallowed Cancelled and ended as if nothing had happened; {_LET_IT_PASS}")
    if maps:
        raise Breach(f"{when} still yielded a map; {_LET_IT_PASS}")


_LET_IT_PASS = "let radiolucent.plugins.Cancelled pass: catch no Exception around calls of the model"  # noqa: S105


def check_every_pass_counts(subject: Subject) -> None:
    """Look for forward passes that go round the model, where they are neither counted nor cancelled."""
    run = subject.start(ordinary(subject.channels))
    passes = 0

    def count(module: torch.nn.Module, _: object) -> None:
        nonlocal passes
        passes += module is run.model.network

    # On all modules: a ScriptModule takes no hook of its own.
    handle = register_module_forward_pre_hook(count)
    try:
        for _ in run.raw:
            pass
    finally:
        handle.remove()
    if passes > run.model.calls:
        raise Breach(
            f"{passes - run.model.calls} of {passes} forward passes call model.network; call the model itself, so that "
            "they are counted and can be cancelled"
        )
