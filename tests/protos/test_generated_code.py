import importlib.resources
import subprocess
import sys
from pathlib import Path

import pytest
from radiolucent import protos
from radiolucent.protos.generate import generate

HERE = Path(protos.__file__).parent


def test_the_committed_code_is_what_the_protos_generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools comes with radiolucent[dev]")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    written = generate(tmp_path)
    committed = sorted(path.name for path in HERE.glob("radiolucent/v1/*_pb2*.py*"))
    assert [path.name for path in written] == committed
    for path in written:
        assert path.read_text() == (HERE / path.relative_to(tmp_path)).read_text(), f"run `make protos`: {path.name}"


def test_every_service_is_in_the_contract() -> None:
    services = {
        name
        for module in (
            protos.classification_pb2,
            protos.explanation_pb2,
            protos.model_pb2,
            protos.profile_pb2,
            protos.server_pb2,
        )
        for name in module.DESCRIPTOR.services_by_name
    }
    assert services == {
        "ClassificationService",
        "ExplanationService",
        "ModelService",
        "ProfileService",
        "ServerService",
    }


def test_the_contract_imports_without_the_rest_of_the_house() -> None:
    code = "import sys, radiolucent.protos; print([m for m in ('torch', 'ray', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_protos_are_package_data() -> None:
    names = {file.name for file in importlib.resources.files("radiolucent.protos.radiolucent.v1").iterdir()}
    assert {"image.proto", "explanation.proto"} <= names
