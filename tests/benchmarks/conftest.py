"""A model set of one tiny network, and what parts of the benchmarks may have measured of it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec, Label, ModelCard, save_card
from radiolucent.handlers.card import Parity
from radiolucent.handlers.repository import Repository, new_member_version
from radiolucent.handlers.repository.checksum import sha256
from torch import nn


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 7, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    repository = Repository(tmp_path_factory.mktemp("bench") / "model_repository")
    with new_member_version(repository, "tiny") as (folder, version):
        torch.jit.save(torch.jit.trace(network.eval(), torch.rand(2, 1, 64, 64)), folder / "model.pt")
        card = ModelCard(
            name="tiny",
            title="Tiny",
            version=version,
            architecture="tiny",
            source="imported",
            labels=(Label(name="A", threshold=0.5), Label(name="B", threshold=0.5)),
            input=InputSpec(size=64),
            parity=Parity(),
            files={"model.pt": sha256(folder / "model.pt")},
            created=datetime(2026, 1, 1, tzinfo=timezone.utc),
        )
        save_card(card, folder / "card.json")
    return repository.root


@pytest.fixture
def document() -> dict[str, Any]:
    """What was measured: the grid alone, and ours is slower with one of two methods of it."""

    def spread(middle: float) -> dict[str, float]:
        return {"median": middle, "low": 0.9 * middle, "high": 1.1 * middle}

    def times(ours: float, captum: float) -> dict[str, Any]:
        return {"ours": spread(ours), "captum": spread(captum), "ratio": spread(captum / ours), "left": 0.25}

    def row(network: str, ours: float, captum: float) -> dict[str, Any]:
        methods = {"occlusion": times(ours - 1, captum - 0.5), "saliency": times(1, 0.5)}
        more = {"captum_defaults": spread(2 * captum), "ours_defaults": spread(ours)}
        more |= {"defaults_ratio": spread(2 * captum / ours)}
        both = times(ours, captum) | more
        return {
            "network": network,
            "labels": 3,
            **both,
            "methods": methods,
            "missed": {"deep_lift": 0.4, "integrated_gradients": 0.03},
            "by_arithmetic": 3.0,
            "limit": 4.0,
            "points_at_once": 4,
            "converged": spread(2),
            "converged_missed": 0.008,
        }

    first = {"network": "a", "forward_ms": spread(20), "backward_ms": spread(60)}
    first |= {"class_activation_map": spread(1.5), "saliency": spread(1.1)}
    first |= {"folded_ms": spread(15), "over_folded": spread(2)}
    measured = {
        "side": 224,
        "methods": ["occlusion", "saliency"],
        "rows": [row("a", 10, 60), row("b", 20, 15)],
        "first": [first],
    }
    entry = {
        "machine": {"processor": "some", "cores": 2},
        "versions": {"torch": "2.0"},
        "parameters": {"short": True, "threads": 2, "films": "2 drawn phantoms"},
        "measured_on": "2026-01-02",
        "seconds": 4000.0,
        "measured": measured,
    }
    return {"grid": entry}
