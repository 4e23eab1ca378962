"""Neuron activation profiles as they are stored with a model set: written by the evaluation, served by the gateway."""

from .files import PROFILES, load_planes, load_record, records, save_profile
from .record import FEWEST_SERVED, ProfileGroup, ProfileLayer, ProfileMerge, ProfileRecord

__all__ = [
    "FEWEST_SERVED",
    "PROFILES",
    "ProfileGroup",
    "ProfileLayer",
    "ProfileMerge",
    "ProfileRecord",
    "load_planes",
    "load_record",
    "records",
    "save_profile",
]
