"""Labelled X-rays: manifests of every kind, read into the same films with the same rules.

Training and evaluation both start here, so that a film is split, labelled and left out alike wherever it is used.
"""

from .counts import LabelCount, SourceTable, count_labels, source_table
from .errors import DataSetsError, LabelsError, ManifestError, PlanError
from .film import SPLITS, DataSet, Film, Split
from .labels import NO_FINDING, PAPER_HIERARCHY, check_implications, make_labels
from .readers import KINDS, Kind
from .reading import read_data_set
from .resampling import plan_folds, resample
from .selection import select
from .stored_split import read_split, write_split

__all__ = [
    "KINDS",
    "NO_FINDING",
    "PAPER_HIERARCHY",
    "SPLITS",
    "DataSet",
    "DataSetsError",
    "Film",
    "Kind",
    "LabelCount",
    "LabelsError",
    "ManifestError",
    "PlanError",
    "SourceTable",
    "Split",
    "check_implications",
    "count_labels",
    "make_labels",
    "plan_folds",
    "read_data_set",
    "read_split",
    "resample",
    "select",
    "source_table",
    "write_split",
]
