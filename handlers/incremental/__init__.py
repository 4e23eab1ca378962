"""Outputs of images that differ from one image in a small window, from what changes alone.

The activations of the unchanged image are computed once. For images with a replaced window, every layer computes only
the box of its plane that the window reaches; all else stands already.
"""

from .forward import IncrementalForward, Window

__all__ = ["IncrementalForward", "Window"]
