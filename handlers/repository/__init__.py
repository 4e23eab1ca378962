"""The Triton model repository: where versions are, what belongs together, how Triton is told."""

from .guard_file import load_guard
from .layout import ENSEMBLE, FIVE_NETWORKS, PREPROCESS, VOTE, Repository
from .model_set import LoadedSet, ModelSet, load_set, new_member_version, publish_set, read_set, verify
from .triton_config import ModelConfig, to_json, to_pbtxt
from .triton_models import (
    Member,
    committed_configs,
    ensemble_config,
    member_config,
    preprocess_config,
    vote_config,
    write_configs,
)

__all__ = [
    "ENSEMBLE",
    "FIVE_NETWORKS",
    "PREPROCESS",
    "VOTE",
    "LoadedSet",
    "Member",
    "ModelConfig",
    "ModelSet",
    "Repository",
    "committed_configs",
    "ensemble_config",
    "load_guard",
    "load_set",
    "member_config",
    "new_member_version",
    "preprocess_config",
    "publish_set",
    "read_set",
    "to_json",
    "to_pbtxt",
    "verify",
    "vote_config",
    "write_configs",
]
