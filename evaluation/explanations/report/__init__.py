"""An audit of explanations as a page to read: HTML with figures and maps, and Markdown."""

from .compose import compose, illustrate

__all__ = ["compose", "illustrate"]
