"""A method leaves everything as it was: when it ends, when it is cancelled, when nobody wants its maps any more."""

from __future__ import annotations

from collections.abc import Callable

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
    for ending, run, end in _endings(subject):
        before = hooks(run.model)
        end(run)
        left = [place for place, count in hooks(run.model).items() if count > before.get(place, 0)]
        if left:
            raise Breach(
                f"{ending}, hooks are left on {', '.join(left[:3])}; remove every handle in a `finally` of explain"
            )


def check_nothing_changed(subject: Subject) -> None:
    """Compare image, network and torch's modes before and after; grad mode at every map too."""
    grad_mode = torch.is_grad_enabled()
    try:
        for ending, run, end in _endings(subject):
            before, image = network_state(run.model), run.image.clone()
            end(run)
            _check_modes(ending, grad_mode)
            if run.image.requires_grad or run.image.grad is not None:
                raise Breach(f"{ending}, the image requires a gradient; work on image.detach().clone()")
            if not torch.equal(run.image, image):
                raise Breach(f"{ending}, the image is changed; work on image.clone()")
            difference = before.difference(network_state(run.model))
            if difference:
                raise Breach(f"{ending}, the network is changed ({difference}); put it back in a `finally` of explain")
    finally:
        torch.set_grad_enabled(grad_mode)


def _check_modes(ending: str, grad_mode: bool) -> None:
    if torch.is_grad_enabled() != grad_mode:
        raise Breach(f"{ending}, torch's grad mode is changed; yield outside of `with torch.no_grad()` and its like")
    if torch.get_default_dtype() is not torch.float32:
        torch.set_default_dtype(torch.float32)
        raise Breach(f"{ending}, torch's default dtype is changed; say the dtype where a tensor is made")


def _endings(subject: Subject) -> list[tuple[str, Run, Callable[[Run], None]]]:
    case = ordinary(subject.channels)
    middle = max(1, subject.whole.run.model.calls // 2)
    return [
        ("when the method has ended", subject.start(case), _to_the_end),
        ("when the method is cancelled", subject.start(case, cancel_at=middle), _to_the_end),
        ("when its maps are no longer wanted (generator closed after the first)", subject.start(case), _to_the_first),
    ]


def _to_the_end(run: Run) -> None:
    grad_mode = torch.is_grad_enabled()
    try:
        for _ in run.raw:
            _check_modes("at a map that is yielded", grad_mode)
    except (Cancelled, Enough):
        pass
    except Exception:
        if not run.job.cancelled:  # check_cancellation has a word on what is raised then
            raise


def _to_the_first(run: Run) -> None:
    next(run.raw, None)
    close = getattr(run.raw, "close", None)  # a list's iterator has none
    if close is not None:
        close()
