"""The evaluation as a page to read: HTML with figures, and Markdown."""

from .compose import compose
from .html import to_html
from .markdown import to_markdown

__all__ = ["compose", "to_html", "to_markdown"]
