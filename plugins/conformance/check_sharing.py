"""What a method takes from others that share its passes is what it would have computed itself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch

from .breach import Breach
from .networks import ordinary
from .subject import Subject

__all__ = ["check_sharing"]


def check_sharing(subject: Subject) -> None:
    """Run a request twice with one memory, and compare with a run that has its own."""
    passes = subject.method.shared_passes(subject.params())
    try:
        hash(passes)
    except TypeError:
        raise Breach(f"shared_passes returns {passes!r}, which has no hash; name passes by a str or a tuple") from None
    case, known = ordinary(subject.channels), dict[Hashable, Any]()
    subject.record(case, known=known)
    again = subject.record(case, known=known)
    expected = subject.whole
    for target in {one.target for one in expected.maps}:
        if not torch.equal(again.final(target).values, expected.final(target).values):
            raise Breach(
                f"target {target}: the map is another one where model.known holds what an earlier run left there; key "
                "what is kept by all that it hangs on, and do not write into it"
            )
    if passes is not None and again.run.model.forward_passes >= expected.run.model.forward_passes:
        raise Breach(
            f"shared_passes names {passes!r}, but a second run makes as many forward passes as the first; keep what "
            "they gave in model.known, or return None"
        )
