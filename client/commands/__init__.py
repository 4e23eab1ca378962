"""The client's commands, one file each; entry points of the group ``radiolucent.commands``."""

from .batch import batch
from .card import card
from .classify import classify
from .explain import explain
from .methods import methods
from .models import models
from .profiles import profiles

__all__ = ["batch", "card", "classify", "explain", "methods", "models", "profiles"]
