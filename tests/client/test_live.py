"""A job as it goes, in a terminal and in a log."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import io

import pytest
from radiolucent.client import Client
from radiolucent.client.commands.live import LiveJob
from rich.console import Console


@pytest.mark.parametrize("terminal", [True, False])
def test_every_map_and_failure_is_told(fake, xray, terminal) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, highlight=False)
    with (
        Client(fake.address) as client,
        client.explain(xray, ["occlusion", "broken_method"], partial=True) as stream,
        LiveJob(console) as live,
    ):
        for event in stream:
            live.show(event)
    shown = file.getvalue()
    assert "first partial heatmap after" in shown
    assert "heatmap: net_b, Viral Pneumonia, occlusion" in shown
    assert "failed: net_b, broken_method: the method raised: e1f2" in shown
    assert "done after" in shown
    assert ("━" in shown) is terminal
    assert ("% of the work" in shown) is not terminal
    assert "explaining Viral Pneumonia in 4 items, about 10 s of one worker" in shown
    assert " left" in shown
