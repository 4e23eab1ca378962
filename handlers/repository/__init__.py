"""The Triton model repository: where versions are, what belongs together, how Triton is told."""

from .layout import ENSEMBLE, FIVE_NETWORKS, PREPROCESS, VOTE, Repository
from .model_set import LoadedSet, ModelSet, load_set, new_member_version, publish_set, read_set, verify

__all__ = [
    "ENSEMBLE",
    "FIVE_NETWORKS",
    "PREPROCESS",
    "VOTE",
    "LoadedSet",
    "ModelSet",
    "Repository",
    "load_set",
    "new_member_version",
    "publish_set",
    "read_set",
    "verify",
]
