"""Triton dies while explanations run and requests wait for it: the gateway goes on, and Triton comes back."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import psutil
import pytest
from radiolucent.protos.radiolucent.v1 import classification_pb2
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb

from .asking import (
    Running,
    assert_come_again,
    assert_not_served,
    assert_same,
    busy_worker,
    classify,
    request,
    serves,
    wait_until,
)

pytestmark = pytest.mark.timeout(300)
CALLERS = 24


@pytest.mark.parametrize("victim", ["tritonserver", "its guard"])
def test_explanations_run_on_without_triton_and_who_waits_for_it_is_told_to_come_again(
    gateway: Any,  # noqa: ANN401 - a class of conftest
    channel: grpc.Channel,
    png: bytes,
    victim: str,
) -> None:
    wait_until(lambda: serves(channel))
    before = classify(channel, png)
    expected = Running(channel, request(png, "saliency", "occlusion")).maps()
    with busy_worker(channel, png) as long, ThreadPoolExecutor(CALLERS) as callers:
        running = Running(channel, request(png, "saliency", "occlusion"))
        waiting = [callers.submit(classify, channel, png) for _ in range(CALLERS)]
        triton = gateway.triton()
        (triton if victim == "tritonserver" else triton.parent()).kill()
        psutil.wait_procs([triton], timeout=10)
        assert_not_served(channel, png)
        seen = long.job().last_sequence
        wait_until(lambda: long.job().last_sequence > seen, 10)
        for one in waiting:
            assert_answered_or_told_to_come_again(one, before)
        died = time.monotonic()
        after = wait_until(lambda: answered_again(channel, png), 60)
        print(f"{victim}: Triton was back {time.monotonic() - died:.1f} s later")  # noqa: T201 - shown with -s
        assert gateway.triton().pid != triton.pid
        assert after.model_set == before.model_set
        assert after.answers == before.answers
        assert long.job().state == pb.JOB_STATE_RUNNING
    assert_same(running.maps(), expected)
    assert_same(Running(channel, request(png, "saliency", "occlusion")).maps(), expected)
    assert gateway.process.poll() is None


def answered_again(channel: grpc.Channel, png: bytes) -> classification_pb2.Classification | None:
    try:
        return classify(channel, png)
    except grpc.RpcError as error:
        assert_come_again(error)
        return None


def assert_answered_or_told_to_come_again(
    call: Future[classification_pb2.Classification], expected: classification_pb2.Classification
) -> None:
    try:
        assert call.result().answers == expected.answers
    except grpc.RpcError as error:
        assert_come_again(error)
