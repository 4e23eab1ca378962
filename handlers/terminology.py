"""SNOMED CT codes of labels, as data.

A label stands here only where its code and its meaning were found to agree in published value sets or in the concept
dictionary of pydicom. NIH ChestX-ray14's Nodule (one or many), Pleural Thickening and Hernia (of what is not said)
have no code here: none says just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .label import CodedConcept, Label

__all__ = ["SNOMED_CT", "code_of", "with_codes"]

# Meanings are preferred terms where the fully specified name is longer than the 64 characters that DICOM allows.
SNOMED_CT: Mapping[str, tuple[str, str]] = {
    "COVID-19": ("840539006", "COVID-19"),
    "Pneumonia": ("233604007", "Pneumonia"),
    "Viral Pneumonia": ("75570004", "Viral pneumonia"),
    "Bacterial Pneumonia": ("53084003", "Bacterial pneumonia"),
    "No Finding": ("281900007", "No abnormality detected"),
    "Atelectasis": ("46621007", "Atelectasis"),
    "Cardiomegaly": ("8186001", "Cardiomegaly"),
    "Consolidation": ("95436008", "Lung consolidation"),
    "Edema": ("19242006", "Pulmonary edema"),
    "Effusion": ("60046008", "Pleural effusion"),
    "Emphysema": ("87433001", "Pulmonary emphysema"),
    "Fibrosis": ("51615001", "Fibrosis of lung"),
    "Infiltration": ("409609008", "Radiologic infiltrate of lung"),
    "Mass": ("309529002", "Lung mass"),
    "Pneumothorax": ("36118008", "Pneumothorax"),
}
"""Code value and meaning by the name of a label."""


def code_of(label: str) -> CodedConcept | None:
    """Return the code of a label, None where none was verified; case, blanks and underscores do not matter."""
    found = _BY_KEY.get(_key(label))
    return None if found is None else CodedConcept(scheme="SCT", value=found[0], meaning=found[1])


def with_codes(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Give labels their codes; one that has a code keeps it."""
    return tuple(
        label if label.code is not None else label.model_copy(update={"code": code_of(label.name)}) for label in labels
    )


def _key(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())


_BY_KEY = {_key(name): coded for name, coded in SNOMED_CT.items()}
