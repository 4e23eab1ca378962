"""The paper's figure: one X-ray, its networks as rows, its methods as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..client import Sign
from ..client.rendering import paint, scale_of

FloatPlane = NDArray[np.float32]


def grid_figure(
    inputs: Mapping[str, FloatPlane],
    heatmaps: Mapping[tuple[str, str], tuple[FloatPlane, Sign]],
    methods: Sequence[str],
    outlines: Mapping[str, NDArray[np.bool_]],
    title: str,
    intended_use: str,
) -> bytes:
    """Draw models x methods.

    Parameters
    ----------
    inputs
        What each network saw, [S, S]; the rows, in this order.
    heatmaps
        By (network, method): the map [S, S] and its sign. What is missing stays empty and says so.
    methods
        The columns, in this order.
    outlines
        By network: a known lesion on its input grid, drawn as an outline. May be empty.
    title
        Said above the figure.
    intended_use
        Said below the figure.

    Returns
    -------
    bytes
        A PNG.
    """
    rows, columns = len(inputs), 1 + len(methods)
    figure = Figure(figsize=(1.9 * columns + 0.3, 1.9 * rows + 0.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, (model, image) in enumerate(inputs.items()):
        axes[row][0].imshow(image, cmap="gray", interpolation="bicubic", aspect="auto")
        axes[row][0].set_ylabel(model, fontsize=9)
        for column, method in enumerate(methods, start=1):
            axis = axes[row][column]
            if (found := heatmaps.get((model, method))) is None:
                axis.text(0.5, 0.5, "no map", ha="center", va="center", transform=axis.transAxes, fontsize=9)
            else:
                values, sign = found
                paint(axis, image[None], values, scale_of(values, sign))
        for axis in axes[row]:
            axis.set_xticks([])
            axis.set_yticks([])
            if model in outlines and outlines[model].any():
                axis.contour(outlines[model], levels=[0.5], colors="#ffd400", linewidths=0.9)
    for axis, name in zip(axes[0], ["what the network saw", *methods], strict=True):
        axis.set_title(name.replace("_", " "), fontsize=9)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(intended_use, fontsize=8)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
