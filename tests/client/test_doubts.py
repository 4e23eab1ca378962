"""What the command line says of maps that are not what they might be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from radiolucent.client import Precision
from radiolucent.client.commands.doubts import doubtful, doubts

from .test_rendering import heatmap

FACTS = {"output_change": -5.0}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"parameters": {"steps": 8}, "facts": FACTS}, "ask for more steps or samples"),
        ({"parameters": {"max_steps": 9}, "facts": {**FACTS, "converged": 0.0}}, "raise max_steps"),
        ({"precision": Precision.BFLOAT16, "facts": {**FACTS, "converged": 0.0}}, "ask for float32"),
    ],
)
def test_a_map_that_misses_the_change_says_what_helps(changes: dict[str, Any], advice: str) -> None:
    wrong = heatmap(np.ones((2, 2)), convergence_delta=1.0, **changes)
    assert doubtful(wrong)
    (line,) = doubts([wrong])
    assert "integrated_gradients of Viral Pneumonia on resnet18 misses 20% of the change of the output (-5)" in line
    assert line.endswith(advice)


def test_a_map_that_misses_next_to_nothing_is_not_spoken_of() -> None:
    assert not doubtful(heatmap(np.ones((2, 2)), convergence_delta=0.1, facts=FACTS))


def test_estimated_errors_are_told_once_for_each_method() -> None:
    maps = [
        heatmap(
            np.ones((2, 2)), method="approximate_occlusion", convergence_delta=None, facts={"estimated_error": error}
        )
        for error in (0.031, 0.043, 0.0)
    ]
    assert all(map(doubtful, maps))
    assert list(doubts(maps)) == ["approximate_occlusion: estimated error of at most 4.3% of a map's range"]
