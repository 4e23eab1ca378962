"""Generated chest phantoms whose findings, and where they lie, are known exactly."""

from .lesions import PHANTOM_LABELS, Finding
from .phantom import Phantom, draw_phantom
from .writing import write_phantoms

__all__ = ["PHANTOM_LABELS", "Finding", "Phantom", "draw_phantom", "write_phantoms"]
