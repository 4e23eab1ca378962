"""An audit of explanations as a page to read: HTML with figures and maps, and Markdown."""

from .compose import compose, illustrate, without_pictures

__all__ = ["compose", "illustrate", "without_pictures"]
