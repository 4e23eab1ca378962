"""The classification service."""

from __future__ import annotations

from typing import Any

from ..protos.radiolucent.v1 import classification_pb2, classification_pb2_grpc
from . import convert
from .classifier import Classifier
from .instance import check_instance

__all__ = ["ClassificationServicer"]


class ClassificationServicer(classification_pb2_grpc.ClassificationServiceServicer):
    """Converts for the classifier.

    Parameters
    ----------
    classifier
        Who decides.
    longest_seconds
        Longest time for Triton; a shorter deadline of the caller counts.
    """

    def __init__(self, classifier: Classifier, longest_seconds: float) -> None:
        self._classifier = classifier
        self._longest_seconds = longest_seconds

    async def Classify(  # noqa: D102 - the contract describes and names it
        self,
        request: classification_pb2.ClassifyRequest,
        context: Any,  # noqa: ANN401 - grpc.aio's own is generic in messages
    ) -> classification_pb2.ClassifyResponse:
        source = convert.instance(request.xray)
        check_instance(source)
        image = request.xray.file
        header = await self._classifier.inspect(image)
        remaining = context.time_remaining()
        seconds = self._longest_seconds if remaining is None else min(remaining, self._longest_seconds)
        answer = await self._classifier.classify(image, header.height, header.width, seconds)
        return classification_pb2.ClassifyResponse(classification=convert.classification(answer, source))
