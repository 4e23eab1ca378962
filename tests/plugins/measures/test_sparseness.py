from __future__ import annotations

from types import ModuleType

import pytest
import torch
from radiolucent.plugins.measures.sparseness import gini


def test_the_gini_index_of_maps_whose_one_is_known() -> None:
    one_has_all = torch.zeros(10, 10)
    one_has_all[3, 4] = -2
    assert gini(one_has_all) == pytest.approx(0.99)
    assert gini(torch.full((10, 10), 0.2)) == pytest.approx(0, abs=1e-12)
    half = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert gini(half) == pytest.approx(0.5)


def test_the_scale_and_sign_of_a_map_do_not_matter() -> None:
    heatmap = torch.randn(12, 9, generator=torch.Generator().manual_seed(0))
    assert gini(-1e-9 * heatmap) == pytest.approx(gini(heatmap), rel=1e-5)


def test_it_is_the_number_of_quantus(quantus: ModuleType) -> None:
    heatmap = torch.rand(8, 9, generator=torch.Generator().manual_seed(0)).double()
    theirs = quantus.Sparseness(disable_warnings=True, normalise=False).evaluate_batch(
        None, heatmap[None].numpy().copy()
    )
    assert gini(heatmap) == pytest.approx(float(theirs[0]), abs=1e-6)
