from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "captum",
    "grpc",
    "ray",
    "tritonclient",
    "google.protobuf",
    "radiolucent.server",
    "radiolucent.plugins",
)


def imported_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_handlers_need_nothing_heavy() -> None:
    modules = imported_by(
        "import radiolucent.handlers, radiolucent.handlers.repository, radiolucent.handlers.dicom_pixels,"
        "radiolucent.handlers.triton.model_set"
    )
    assert "radiolucent.handlers.dicom_pixels" in modules
    assert not modules.intersection(HEAVY)


def test_who_has_no_dicom_needs_no_pydicom() -> None:
    assert "pydicom" not in imported_by("import radiolucent.handlers")
