from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from radiolucent.protos.radiolucent.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    image_pb2,
)


def dicom(**elements: Any) -> bytes:  # noqa: ANN401 - values of any element
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Somebody^Secret"
    values = {
        "Rows": 16,
        "Columns": 16,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
    for name, value in (values | elements).items():
        if value is not None:
            setattr(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def not_finite() -> bytes:
    pixels = np.zeros((16, 16), dtype="<f4")
    pixels[3, 4] = np.nan
    return dicom(
        BitsAllocated=32, BitsStored=None, HighBit=None, PixelRepresentation=None, FloatPixelData=pixels.tobytes()
    )


BAD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda png: b"",
    "unknown_format": lambda png: b"This is a report, not a PNG.",
    "truncated": lambda png: png[: len(png) // 2],
    "no_pixels": lambda png: dicom(),
    "multi_frame": lambda png: dicom(NumberOfFrames=2, PixelData=bytes(2 * 16 * 16 * 2)),
    "too_large": lambda png: huge_png(),
    "not_finite": lambda png: not_finite(),
}


@pytest.mark.parametrize("problem", BAD)
@pytest.mark.parametrize("call", ["Classify", "Explain"])
def test_bad_input_is_refused_at_once_by_name_and_costs_triton_nothing(
    gateway: Any,  # noqa: ANN401 - a class of conftest
    channel: grpc.Channel,
    png: bytes,
    problem: str,
    call: str,
) -> None:
    xray = image_pb2.XRay(file=BAD[problem](png))
    classification = classification_pb2_grpc.ClassificationServiceStub(channel)
    explanation = explanation_pb2_grpc.ExplanationServiceStub(channel)

    def send() -> None:
        if call == "Classify":
            classification.Classify(classification_pb2.ClassifyRequest(xray=xray), timeout=10)
        else:
            methods = [explanation_pb2.MethodCall(name="saliency")]
            list(explanation.Explain(explanation_pb2.ExplainRequest(xray=xray, methods=methods), timeout=10))

    before = gateway.ensemble_runs()
    seconds = []
    for _ in range(3):  # the first call opens the connection; a busy machine may delay one
        begin = time.perf_counter()
        with pytest.raises(grpc.RpcError) as caught:
            send()
        seconds.append(time.perf_counter() - begin)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = rpc_status.from_call(caught.value).details
    bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    assert any(one.Unpack(bad) for one in details)
    assert any(one.Unpack(info) for one in details)
    assert [one.field for one in bad.field_violations] == ["xray.file"]
    assert info.metadata["problem"] == problem
    assert gateway.ensemble_runs() == before
    assert min(seconds) < 2, "no more than reading it takes"


def test_nothing_of_a_patient_is_in_an_error_or_in_the_log(gateway: Any, channel: grpc.Channel) -> None:  # noqa: ANN401
    stub = classification_pb2_grpc.ClassificationServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Classify(classification_pb2.ClassifyRequest(xray=image_pb2.XRay(file=dicom())), timeout=10)
    assert "Secret" not in str(caught.value)
    assert "Secret" not in gateway.log.read_text()
