"""A method explains an X-ray from its file, as it does in the server."""

from __future__ import annotations

import io

import torch
from PIL import Image

from ..errors import PluginsError
from ..runner.explaining import explain
from .breach import Breach
from .networks import SIZE, ordinary
from .subject import Subject

__all__ = ["check_files"]


def check_files(subject: Subject) -> None:
    """Explain a PNG that is not square, so that a part of what the network sees is padding."""
    case = ordinary(subject.channels)
    brightness = torch.rand(60, 40, generator=torch.Generator().manual_seed(7))
    file = io.BytesIO()
    Image.fromarray((brightness * 255).to(torch.uint8).numpy()).save(file, "PNG")
    try:
        explanation = explain(
            file.getvalue(),
            subject.network(case),
            subject.method,
            targets=0,
            parameters=subject.params().model_dump(mode="json"),
            spec=case.spec,
        )
    except PluginsError as error:
        raise Breach(str(error)) from error
    if tuple(explanation[0].heatmap.shape) != (SIZE, SIZE):
        raise Breach(f"the heatmap has the shape {list(explanation[0].heatmap.shape)}, not that of the network's input")
