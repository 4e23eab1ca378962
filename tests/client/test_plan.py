"""What an explanation costs, before it is run; and whether somebody waits for it."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from radiolucent.client import (
    AsyncClient,
    Classified,
    Client,
    FailureReason,
    InvalidRequest,
    ItemEstimate,
    JobState,
    Priority,
    Summary,
    Unsupported,
)
from radiolucent.client.convert_events import event as convert_event
from radiolucent.protos import explanation_pb2


@pytest.fixture
def client(fake) -> Iterator[Client]:
    with Client(fake.address) as client:
        yield client


def test_a_plan_has_an_estimate_per_item_and_runs_nothing(client, fake, xray) -> None:
    plan = client.plan(xray, ["saliency", "input_x_gradient"], models=["net_a"])
    assert isinstance(plan, Classified)
    assert [item.method for item in plan.items] == ["saliency", "input_x_gradient"]
    assert plan.estimates == (
        ItemEstimate(passes=50, elapsed_s=2.5, shared_pass=1),
        ItemEstimate(passes=0, elapsed_s=2.5, shared_pass=1),
    )
    assert (plan.estimated_work_s, plan.estimated_wait_s) == (5.0, 1.5)
    assert plan.classification.majority == ("Pneumonia", "Viral Pneumonia")
    assert [request.dry_run for request in fake.requests] == [True]
    assert fake.cancelled == []


async def test_the_asynchronous_client_plans_the_same(fake, client, xray) -> None:
    async with AsyncClient(fake.address) as asynchronous:
        plan = await asynchronous.plan(xray, {"occlusion": {"window": 50}}, priority="batch")
    assert plan.estimates == client.plan(xray, {"occlusion": {"window": 50}}).estimates
    assert [request.priority for request in fake.requests] == [
        explanation_pb2.PRIORITY_BATCH,
        explanation_pb2.PRIORITY_INTERACTIVE,
    ]


def test_a_dry_run_is_a_job_that_ends_with_its_plan(client, xray) -> None:
    stream = client.explain(xray, ["occlusion"], dry_run=True)
    assert [type(event) for event in stream] == [Classified, Summary]
    result = client.explain(xray, ["occlusion"], dry_run=True).result()
    assert result.heatmaps == ()
    assert len(result.estimates) == len(result.items) == 2
    assert (result.estimated_work_s, result.estimated_wait_s) == (5.0, 1.5)


def test_an_explanation_tells_what_it_will_cost_as_it_begins(client, fake, xray) -> None:
    result = client.explain(xray, ["occlusion"]).result()
    assert [estimate.elapsed_s for estimate in result.estimates] == [2.5, 2.5]
    assert not fake.requests[0].dry_run


def test_a_server_older_than_dry_runs_is_stopped_before_it_runs_what_was_to_be_planned(client, fake, xray) -> None:
    fake.plans, fake.hold_after = False, 2
    with pytest.raises(Unsupported, match="older than dry runs"):
        client.plan(xray, ["occlusion"])
    assert fake.disconnected.wait(5)


def test_an_older_server_tells_no_estimates_and_no_priority(client, fake, xray) -> None:
    fake.plans = False
    result = client.explain(xray, ["occlusion"]).result()
    assert result.summary.state is JobState.DONE
    assert (result.estimates, result.estimated_work_s, result.estimated_wait_s) == ((), None, None)


@pytest.mark.parametrize(
    ("priority", "sent"),
    [
        ("batch", explanation_pb2.PRIORITY_BATCH),
        (Priority.BATCH, explanation_pb2.PRIORITY_BATCH),
        ("interactive", explanation_pb2.PRIORITY_INTERACTIVE),
    ],
)
def test_the_priority_is_sent_by_its_word_or_as_a_member(client, fake, xray, priority, sent) -> None:
    client.explain(xray, ["occlusion"], priority=priority).result()
    assert fake.requests[0].priority == sent


def test_an_unknown_priority_is_refused_before_anything_is_sent(client, fake, xray) -> None:
    with pytest.raises(InvalidRequest, match="'interactive' and 'batch'"):
        client.explain(xray, ["occlusion"], priority="urgent")
    assert fake.requests == []


def test_a_job_tells_its_priority(client) -> None:
    assert client.get_job("job-1").priority is Priority.BATCH


def test_running_out_of_memory_has_a_reason_of_its_own() -> None:
    failure = explanation_pb2.Failure(reason=explanation_pb2.FAILURE_REASON_OUT_OF_MEMORY, message="needs 9 GiB")
    event = convert_event(explanation_pb2.JobEvent(job_id="j", sequence=1, failure=failure))
    assert event.reason is FailureReason.OUT_OF_MEMORY


# The command line.


def test_a_dry_run_prints_the_plan_and_writes_nothing(program, fake, xray, tmp_path) -> None:
    ran = program(
        "explain", xray, "--method", "saliency", "--method", "occlusion", "--dry-run", "--out", tmp_path / "o",
        "--address", fake.address,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ran.out.splitlines() if line.count("│") == 7]
    assert table == [
        ["net_a v3", "saliency", "Viral Pneumonia", "50", "2.5 s", "1"],
        ["net_a v3", "occlusion", "Viral Pneumonia", "shared", "2.5 s", "1"],
        ["net_b v3", "saliency", "Viral Pneumonia", "50", "2.5 s", "2"],
        ["net_b v3", "occlusion", "Viral Pneumonia", "shared", "2.5 s", "2"],
    ]
    assert "about 10 s of one worker; it would begin in about 1.5 s" in " ".join(ran.out.split())
    assert "Research use only. Not for diagnosis." in ran.out
    assert not (tmp_path / "o").exists()


def test_a_dry_run_as_json_has_the_numbers_with_their_units(program, fake, xray) -> None:
    ran = program("explain", xray, "--method", "occlusion", "--dry-run", "--json", "--address", fake.address)
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document["dry_run"] is True
    assert document["estimates"][0] == {"passes": 50, "elapsed_s": 2.5, "shared_pass": 0}
    assert (document["estimated_work_s"], document["estimated_wait_s"]) == (5.0, 1.5)
    assert [item["method"] for item in document["items"]] == ["occlusion", "occlusion"]
    assert document["asked"]["methods"] == {"occlusion": {}}
    assert "heatmaps" not in document


def test_the_priority_of_the_command_reaches_the_server(program, fake, xray) -> None:
    for arguments in (["--priority", "batch"], ["--priority", "batch", "--dry-run"], []):
        program("explain", xray, "--method", "occlusion", "--address", fake.address, *arguments)
    batch, interactive = explanation_pb2.PRIORITY_BATCH, explanation_pb2.PRIORITY_INTERACTIVE
    assert [request.priority for request in fake.requests] == [batch, batch, interactive]
    assert program("explain", xray, "--priority", "urgent", "--address", fake.address).code == 2
