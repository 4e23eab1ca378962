"""Model cards as people read them."""

from .html import as_html
from .layout import card_page
from .markdown import as_markdown
from .page import Page, Section, Table

__all__ = ["Page", "Section", "Table", "as_html", "as_markdown", "card_page"]
