"""Published numbers of localisation, to be shown as context."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MARKS", "MARKS_CONTEXT", "Mark"]


@dataclass(frozen=True)
class Mark:
    """A number that somebody else measured.

    Parameters
    ----------
    name : str
        Of the method.
    quantity : str
        The number of ours that asks the most similar question.
    value : float
        As published.
    method : str
        Our name of that method; empty where we have none.
    data, source : str
        What it was measured on, and where it is published.
    """

    name: str
    quantity: str
    value: float
    method: str = ""
    data: str = "RSNA Pneumonia Detection Challenge 2018 (boxes of pneumonia), maps of an InceptionV3"
    source: str = (
        "Arun et al., Assessing the Trustworthiness of Saliency Maps for Localizing Abnormalities in Medical Imaging, "
        "Radiology: Artificial Intelligence 3(6), 2021, doi:10.1148/ryai.2021200267"
    )


MARKS: tuple[Mark, ...] = (
    Mark("RetinaNet, trained on boxes", "localisation.auprc", 0.596),
    Mark("XRAI", "localisation.auprc", 0.519, "xrai"),
    Mark("average mask of the training films", "localisation.auprc", 0.465, "average_mask"),
    Mark("Grad-CAM", "localisation.auprc", 0.41, "grad_cam"),
    Mark("saliency (gradient)", "localisation.auprc", 0.34, "saliency"),
    Mark("integrated gradients", "localisation.auprc", 0.32, "integrated_gradients"),
    Mark("guided backpropagation", "localisation.auprc", 0.17, "guided_backprop"),
)
"""Strongest first."""

MARKS_CONTEXT = (
    "Published numbers are of other films, another network and maps of another size: they are context, and no number "
    "here can be compared with them."
)
"""To be shown with `MARKS`."""
