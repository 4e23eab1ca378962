"""The synchronous client against a server that speaks the contract."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from radiolucent.client import (
    Classified,
    Client,
    Completeness,
    DeadlineExceeded,
    Heatmap,
    InstanceReference,
    InvalidRequest,
    JobLost,
    JobState,
    ModelInput,
    NotFound,
    Progress,
    Sign,
    Summary,
    Unavailable,
    Unsupported,
)


@pytest.fixture
def client(fake) -> Iterator[Client]:
    with Client(fake.address) as client:
        yield client


def test_a_classification_has_the_votes_of_every_network(client, xray) -> None:
    instance = InstanceReference("1.2", "1.2.3", "1.2.3.4", 1)
    answer = client.classify(xray, instance=instance)
    assert answer.majority == ("Pneumonia", "Viral Pneumonia")
    assert [str(one.model) for one in answer.answers] == ["net_a v3", "net_b v3"]
    assert answer.answers[0].votes == (True, True, False)
    assert answer.instance == instance
    assert answer.intended_use == "Research use only. Not for diagnosis."
    assert client.classify(xray.read_bytes()).instance is None


def test_bad_input_names_the_field(client) -> None:
    with pytest.raises(InvalidRequest, match="neither PNG") as caught:
        client.classify(b"a letter")
    assert [(one.field, one.description) for one in caught.value.violations] == [
        ("xray.file", "neither PNG, JPEG nor DICOM")
    ]


def test_a_file_too_large_to_send_is_refused_without_being_read(client, fake, tmp_path) -> None:
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(InvalidRequest, match="more than"):
        client.classify(path)
    assert fake.classified == []


def test_nobody_at_the_address_is_unavailable() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(Unavailable):
        client.server_info()


def test_an_unknown_model_is_not_found_and_the_error_lists_those_there_are(client) -> None:
    with pytest.raises(NotFound, match="net_a, net_b"):
        client.get_model("net_z")


def test_lists_are_typed(client) -> None:
    models = client.list_models()
    assert models.models[0].abilities == ("forward", "gradient")
    assert models.models[0].inspected
    assert models.models[0].refusals == {"deep_lift": "the network has control flow"}
    assert models.models[0].labels[1].implies == "Pneumonia"
    assert models.models[0].labels[0].implies is None
    assert models.serving is not None
    assert models.serving.version == 7
    assert models.refused[0].reason == "model.onnx has another checksum"
    methods = client.list_methods()
    assert methods.methods[0].sign is Sign.SIGNED
    assert methods.methods[0].completeness is Completeness.EXACT
    assert methods.methods[0].parameters_schema == {"type": "object"}
    assert methods.broken_plugins[0].distribution == "x-dist"
    assert client.server_info().heartbeat_interval_s == 2.5
    assert client.get_model("net_a").card == {"name": "net_a"}
    assert client.get_job("job-1").state is JobState.RUNNING


def test_a_stream_yields_events_in_order_without_heartbeats(client, xray) -> None:
    with client.explain(xray, {"occlusion": {"window": 50, "fraction": 0.5}}, partial=True, inputs=True) as stream:
        events = list(stream)
    assert [type(event) for event in events] == [
        Classified,
        ModelInput,
        ModelInput,
        Progress,
        Heatmap,
        Heatmap,
        Progress,
        Heatmap,
        Heatmap,
        Summary,
    ]
    assert [event.sequence for event in events] == list(range(1, 11))
    assert {event.request_id for event in events} == {stream.request_id}
    assert {event.job_id for event in events} == {"job-1"}
    heatmap = events[5]
    assert heatmap.values.shape == (96, 96)
    assert heatmap.values.dtype == np.float32
    assert not heatmap.values.flags.writeable
    assert heatmap.parameters == {"fraction": 0.5, "window": 50}
    assert isinstance(heatmap.parameters["window"], int)
    assert heatmap.convergence_delta == 0.0
    assert heatmap.facts == {"absorbed": 0.125}
    assert heatmap.attribution is None
    assert heatmap.affine.point_to_original(48.0, 3.0) == (256.0, 0.0)


def test_a_result_sorts_the_events(client, xray) -> None:
    result = client.explain(xray, ["occlusion", "broken_method"], attributions=True, targets="No Finding").result()
    assert [(one.model.name, one.method) for one in result.heatmaps] == [("net_a", "occlusion"), ("net_b", "occlusion")]
    assert result.heatmap("net_b", "No Finding", "occlusion").attribution.shape == (1, 96, 96)
    assert [one.item.method for one in result.failures] == ["broken_method", "broken_method"]
    assert result.summary.state is JobState.DONE
    with pytest.raises(KeyError):
        result.heatmap("net_b", "No Finding", "broken_method")


def test_requests_say_what_was_asked(client, fake, xray) -> None:
    client.explain(
        xray, "occlusion", models=["net_b"], targets=["No Finding"], output="probability", request_id="r-1"
    ).result()
    client.explain(xray, ["occlusion"], targets="all").result()
    client.explain(xray, ["occlusion"]).result()
    first, second, third = fake.requests
    assert first.request_id == "r-1"
    assert list(first.targets.labels.names) == ["No Finding"]
    assert second.targets.WhichOneof("selection") == "all"
    assert third.targets.WhichOneof("selection") == "predicted"
    assert second.request_id != third.request_id
    assert not any(request.keep_after_disconnect for request in fake.requests)


def test_an_unknown_output_is_refused_before_anything_is_sent(client, fake, xray) -> None:
    with pytest.raises(InvalidRequest, match="'logit', 'probability' and 'votes'"):
        client.explain(xray, ["occlusion"], output="softmax")
    with pytest.raises(InvalidRequest, match="parameters of occlusion"):
        client.explain(xray, {"occlusion": {"window": object()}})
    assert fake.requests == []


def test_without_reconnect_a_broken_stream_raises(client, fake, xray) -> None:
    fake.breaks = [(3, grpc.StatusCode.UNAVAILABLE)]
    stream = client.explain(xray, ["occlusion"])
    seen = []
    with pytest.raises(Unavailable):
        seen.extend(iter(stream))
    assert stream.last_sequence == 3
    assert list(stream) == []
    assert fake.watches == []


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, None])
def test_reconnecting_goes_on_after_the_last_event(client, fake, xray, status) -> None:
    fake.breaks = [(3, status), (4, status)]
    events = list(client.explain(xray, ["occlusion", "saliency"], reconnect=True))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], Summary)
    assert [(watch.job_id, watch.after_sequence) for watch in fake.watches] == [("job-1", 3), ("job-1", 4)]
    assert fake.requests[0].keep_after_disconnect


def test_a_stream_that_breaks_before_its_first_event_sends_the_same_request_again(client, fake, xray) -> None:
    fake.breaks = [(0, grpc.StatusCode.UNAVAILABLE)]
    events = list(client.explain(xray, ["occlusion"], reconnect=True))
    assert isinstance(events[-1], Summary)
    assert len(fake.requests) == 2
    assert fake.requests[0].request_id == fake.requests[1].request_id
    assert fake.watches == []


def test_a_job_that_the_server_forgot_is_lost(client, fake, xray) -> None:
    fake.breaks, fake.forgets = [(3, grpc.StatusCode.UNAVAILABLE)], True
    with pytest.raises(JobLost):
        list(client.explain(xray, ["occlusion"], reconnect=True))


def test_watching_an_unknown_job_is_not_found_rather_than_lost(client) -> None:
    with pytest.raises(NotFound) as caught:
        list(client.watch("job-9"))
    assert not isinstance(caught.value, JobLost)


def test_watching_starts_after_the_given_event_and_leaving_does_not_stop_the_job(client, fake, xray) -> None:
    client.explain(xray, ["occlusion"]).result()
    with client.watch("job-1", after_sequence=2) as stream:
        assert next(stream).sequence == 3
    assert fake.cancelled == []


def test_leaving_a_stream_ends_its_call(client, fake, xray) -> None:
    fake.hold_after = 2
    with client.explain(xray, ["occlusion"]) as stream:
        next(stream)
    assert fake.disconnected.wait(5)
    assert fake.cancelled == []  # a lost client cancels: no word is needed
    assert list(stream) == []


def test_leaving_a_kept_job_stops_it(client, fake, xray) -> None:
    fake.hold_after = 2
    with client.explain(xray, ["occlusion"], reconnect=True) as stream:
        next(stream)
    assert fake.cancelled == ["job-1"]


def test_leaving_a_kept_job_before_its_first_event_stops_it_too(client, fake, xray) -> None:
    with client.explain(xray, ["occlusion"], reconnect=True):
        pass
    assert fake.cancelled == ["job-1"]
    assert len({request.request_id for request in fake.requests}) == 1


def test_detaching_leaves_a_kept_job_running(client, fake, xray) -> None:
    fake.hold_after = 2
    with client.explain(xray, ["occlusion"], reconnect=True) as stream:
        next(stream)
        assert stream.detach() == "job-1"
    assert fake.cancelled == []


def test_ctrl_c_while_waiting_stops_a_kept_job(client, fake, xray, monkeypatch) -> None:
    fake.hold_after = 2
    stream = client.explain(xray, ["occlusion"], reconnect=True)
    next(stream)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stream, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert fake.cancelled == ["job-1"]


def test_cancelling_brings_the_summary(client, fake, xray) -> None:
    fake.hold_after = 2
    stream = client.explain(xray, ["occlusion"])
    next(stream)
    stream.cancel()
    last = list(stream)[-1]
    assert isinstance(last, Summary)
    assert last.state is JobState.CANCELLED


def test_closing_from_another_thread_ends_the_iteration(client, fake, xray) -> None:
    fake.hold_after = 2
    stream = client.explain(xray, ["occlusion"])
    threading.Timer(0.2, stream.close).start()
    assert [event.sequence for event in stream] == [1, 2]


def test_a_deadline_holds_for_the_whole_stream(client, fake, xray) -> None:
    fake.hold_after = 2
    with pytest.raises(DeadlineExceeded):
        client.explain(xray, ["occlusion"], timeout=0.3, reconnect=True).result()


def test_the_caller_key_is_one_per_process_or_what_was_given(fake, xray: Path, monkeypatch) -> None:
    for key in (None, None, "a key of sixteen or more"):
        with Client(fake.address, caller_key=key) as client:
            client.classify(xray)
    assert len(fake.callers) == 2
    monkeypatch.setenv("RADIOLUCENT_CALLER_KEY", "the key of the environment")
    with Client(fake.address) as client:
        client.classify(xray)
    assert {"a key of sixteen or more", "the key of the environment"} < fake.callers
    with pytest.raises(ValueError, match="at least 16"):
        Client(fake.address, caller_key="short")


def test_a_server_without_the_call_is_unsupported(xray) -> None:
    from concurrent import futures

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client, pytest.raises(Unsupported):
        client.classify(xray)
    server.stop(None).wait()
