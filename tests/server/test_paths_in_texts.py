from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from radiolucent.handlers.repository import Repository
from radiolucent.protos.radiolucent.v1 import model_pb2
from radiolucent.server.catalog import ModelCatalog
from radiolucent.server.models import ModelServicer
from radiolucent.server.paths import without_paths
from radiolucent.server.triton.status import Refused, ServingStatus


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/models/resnet18/2/model.onnx: missing", "resnet18/2/model.onnx: missing"),
        ("load failed: '/tmp/radiolucent-triton-ab/models/x@1/1/model.py' at", "load failed: 'model.py' at"),
        ('File "/opt/venv/lib/python3.11/site.py", line 1', 'File "site.py", line 1'),
        ("in /tmp/grpc and/or 3/4, see https://example.org/a/b", "in grpc and/or 3/4, see https://example.org/a/b"),
    ],
)
def test_a_text_keeps_no_path_of_this_machine(text: str, shown: str) -> None:
    assert without_paths(text, Path("/srv/models")) == shown


async def test_a_refusal_is_told_without_the_folders_of_the_server(repository: Repository) -> None:
    root = repository.root
    refused = Refused("chest_xray", 2, f"{root}/resnet18/2/model.onnx is missing")
    catalog = ModelCatalog(repository, lambda: ServingStatus(available=True, refused=(refused,)))
    context: Any = None
    answer = await ModelServicer(catalog, lambda _: None).ListModels(model_pb2.ListModelsRequest(), context)
    assert [one.reason for one in answer.refused] == ["resnet18/2/model.onnx is missing"]


def test_a_relative_repository_is_known_by_both_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"{tmp_path.resolve()}/models/a/1/x is not models/a/1/y"
    assert without_paths(text, Path("models")) == "a/1/x is not a/1/y"
