"""Encoded images, made here from arrays."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from radiolucent.handlers import InputSpec, Label, ModelCard, save_card
from radiolucent.handlers.card import Parity
from radiolucent.handlers.guard import Guard, Scale
from radiolucent.handlers.repository import Repository, new_member_version

Encode = Callable[..., bytes]
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@pytest.fixture(scope="session")
def png() -> Encode:
    """Write a PNG chunk by chunk: any colour type and depth, and any damage."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    def encode(
        values: NDArray[Any],
        *,
        colour: int = 0,
        depth: int = 8,
        extra: tuple[tuple[bytes, bytes], ...] = (),
        size: tuple[int, int] | None = None,
    ) -> bytes:
        height, width = size or values.shape[:2]
        if depth == 16:
            rows = values.astype(">u2").reshape(len(values), -1)
        elif depth == 8:
            rows = values.astype(np.uint8).reshape(len(values), -1)
        else:
            bits = (values[..., None] >> np.arange(depth - 1, -1, -1)) & 1
            rows = np.packbits(bits.reshape(len(values), -1).astype(np.uint8), axis=1)
        raw = b"".join(b"\x00" + row.tobytes() for row in rows)
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)

    return encode


@pytest.fixture(scope="session")
def dicom() -> Encode:
    """Write a DICOM with a patient's name in it; keywords set or (None) remove elements."""

    def encode(values: NDArray[Any], *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> bytes:  # noqa: ANN401
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = syntax
        meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        dataset.SOPClassUID = meta.MediaStorageSOPClassUID
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.PatientName = "Secret^Patient"
        dataset.PatientID = "12345-SECRET"
        dataset.Rows, dataset.Columns = values.shape[:2]
        dataset.SamplesPerPixel = 1 if values.ndim == 2 else values.shape[2]
        dataset.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
        dataset.BitsAllocated = 8 * values.dtype.itemsize
        if values.dtype.kind == "f":
            name = "FloatPixelData" if values.dtype.itemsize == 4 else "DoubleFloatPixelData"
            setattr(dataset, name, values.tobytes())
        else:
            dataset.BitsStored = dataset.BitsAllocated
            dataset.HighBit = dataset.BitsStored - 1
            dataset.PixelRepresentation = int(values.dtype.kind == "i")
            if values.ndim == 3:
                dataset.PlanarConfiguration = 0
            data = values.tobytes()
            dataset.PixelData = data + bytes(len(data) % 2)
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        if "BitsStored" in elements:
            dataset.HighBit = dataset.BitsStored - 1
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], bytes]:
    """Read one of the DICOM files that come with pydicom."""

    def read(name: str) -> bytes:
        path = get_testdata_file(name, download=False)
        assert path is not None, f"pydicom no longer ships {name}"
        return Path(str(path)).read_bytes()

    return read


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    """An 8-bit image, 40 rows x 56 columns, without symmetry."""
    row, column = np.mgrid[0:40, 0:56]
    return ((row * 5 + column * 2 + (row // 8) * (column // 8)) % 256).astype(np.uint8)


@pytest.fixture(scope="session")
def guard() -> Guard:
    """A guard that is fitted on nothing: it takes a film for usual that grows brighter from the top down."""
    row, spot = np.mgrid[0:16, 0:16][0].ravel() - 7.5, np.eye(256)[100]
    return Guard(
        films=100,
        mean=tuple((row / row.std()).round(4).tolist()),
        components=(tuple(spot.tolist()),),
        variances=(0.5,),
        noise=0.1,
        distance=Scale(median=100, spread=100),
        gain=Scale(median=0, spread=100),
        held_out=tuple(np.linspace(-1, 1, 99).round(4).tolist()),
    )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with two versions of two networks; the weights are not real."""
    repository = Repository(tmp_path / "model_repository")
    for name, size in (("resnet18", 64), ("densenet161", 96)):
        for _ in range(2):
            with new_member_version(repository, name) as (folder, version):
                write_member(folder, name, version, size)
    return repository


def write_member(
    folder: Path, name: str, version: int, size: int = 64, labels: tuple[str, ...] = ("A", "B"), **more: object
) -> None:
    """Fill a version folder; its card says more where told so."""
    files = {}
    for file in ("model.onnx", "model.pt"):
        content = f"{file} of {name} {version}".encode()
        (folder / file).write_bytes(content)
        files[file] = hashlib.sha256(content).hexdigest()
    values: dict[str, Any] = dict(
        name=name,
        title=name,
        version=version,
        architecture=name,
        source="trained",
        labels=tuple(Label(name=label, threshold=0.5) for label in labels),
        input=InputSpec(size=size),
        parity=Parity(),
        files=files,
        created=datetime(2026, 1, 1, tzinfo=timezone.utc),
        **more,
    )
    save_card(ModelCard(**values), folder / "card.json")


@pytest.fixture(scope="session")
def fill() -> Callable[..., None]:
    """Fill a version folder with a card and weights that fit it."""
    return write_member
