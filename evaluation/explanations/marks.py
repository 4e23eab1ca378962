"""Published numbers of localisation, to be shown as context."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MARKS", "MARKS_CONTEXT", "MARKS_SOURCE", "Mark"]


class Mark(NamedTuple):
    """Area under the precision-recall curve that somebody else measured.

    Parameters
    ----------
    name : str
        Of what.
    auprc : float
        As published; `localisation.auprc` asks the most similar question.
    """

    name: str
    auprc: float


MARKS: tuple[Mark, ...] = (
    Mark("RetinaNet, a detector trained on boxes", 0.596),
    Mark("XRAI, the best of the maps", 0.519),
    Mark("average mask of the training films", 0.465),
    Mark("Grad-CAM", 0.41),
    Mark("saliency (gradient)", 0.34),
    Mark("integrated gradients", 0.32),
    Mark("guided backpropagation", 0.17),
)
"""Strongest first: on films with pneumonia of the RSNA challenge (2018), maps of an InceptionV3."""

MARKS_SOURCE = (
    "Arun et al., Assessing the Trustworthiness of Saliency Maps for Localizing Abnormalities in Medical Imaging, "
    "Radiology: Artificial Intelligence 3(6), 2021, doi:10.1148/ryai.2021200267"
)

MARKS_CONTEXT = (
    "They are of other films, another network and maps of another size: context, and no number here can be compared "
    "with them."
)
"""To be shown with `MARKS`."""
