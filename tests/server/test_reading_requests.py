"""What a message can carry and a request cannot."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct
from radiolucent.protos.radiolucent.v1 import explanation_pb2
from radiolucent.server import convert_jobs
from radiolucent.server.engine.task import Output
from radiolucent.server.errors import InvalidRequest


def request(**parameters: object) -> explanation_pb2.ExplainRequest:
    values = Struct()
    values.update(parameters)
    calls = [explanation_pb2.MethodCall(name="saliency")]
    calls.append(explanation_pb2.MethodCall(name="occlusion", parameters=values))
    return explanation_pb2.ExplainRequest(methods=calls)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("nested", [False, True])
def test_a_parameter_that_is_not_finite_is_named(number: float, nested: bool) -> None:
    wrong = request(stride=4, window={"deep": [1, number]} if nested else number)
    with pytest.raises(InvalidRequest) as caught:
        convert_jobs.order(wrong)
    (violation,) = caught.value.violations
    assert (violation.field, violation.description) == ("methods[1].parameters", "'window' must be finite")


def test_a_made_up_name_is_shown_short_and_printable() -> None:
    with pytest.raises(InvalidRequest) as caught:
        convert_jobs.order(request(**{"\x1b[2J" + "x" * 1000: float("nan")}))
    (violation,) = caught.value.violations
    assert violation.description == "'?[2J" + "x" * 60 + "…' must be finite"


def test_finite_parameters_are_read() -> None:
    order = convert_jobs.order(request(window=50, nothing=None, text="a", yes=True, many=[1, {"a": 2}]))
    assert order.methods[1].parameters == {
        "window": 50.0,
        "nothing": None,
        "text": "a",
        "yes": True,
        "many": [1.0, {"a": 2.0}],
    }


@pytest.mark.parametrize("output", [4, 9, -1])
def test_an_output_that_there_is_not_is_refused(output: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        convert_jobs.order(explanation_pb2.ExplainRequest(output=output))  # type: ignore[arg-type]
    assert [one.field for one in caught.value.violations] == ["output"]


@pytest.mark.parametrize(("output", "read"), [(0, None), (1, Output.LOGIT), (2, Output.PROBABILITY), (3, Output.VOTES)])
def test_an_output_that_there_is_is_read(output: int, read: Output | None) -> None:
    assert convert_jobs.order(explanation_pb2.ExplainRequest(output=output)).output is read  # type: ignore[arg-type]
