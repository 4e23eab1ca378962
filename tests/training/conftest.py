"""A network that is built, trained, traced and exported like the real one, and costs next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import pytest
from radiolucent.training import networks


@pytest.fixture(scope="module")
def thin() -> Iterator[None]:
    """Have the ResNets an eighth of their feature maps: the same layers in the same order, few weights."""
    whole = networks.NETWORKS
    thinned = {
        name: replace(whole[name], options={**whole[name].options, "channels": (8, 16, 32, 64)})
        for name in ("resnet18", "resnet34")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "NETWORKS", MappingProxyType({**whole, **thinned}))
        yield
