"""A card's page as Markdown."""

from __future__ import annotations

from .page import Page, Section, Table

__all__ = ["as_markdown"]


def as_markdown(page: Page) -> str:
    """Write a page as Markdown with tables; what is special in Markdown is escaped where a card brought it."""
    lines = [f"# {_text(page.title)}", "", f"**{_text(page.intended_use)}**", ""]
    for section in page.sections:
        lines += _section(section)
    return "\n".join([*lines, f"**{_text(page.intended_use)}**", ""])


def _section(section: Section) -> list[str]:
    lines = [f"## {_text(section.heading)}", ""]
    for sentence in section.sentences:
        lines += [_text(sentence), ""]
    if section.points:
        lines += [*(f"- {_text(point)}" for point in section.points), ""]
    for table in section.tables:
        lines += [*_table(table), ""]
    return lines


def _table(table: Table) -> list[str]:
    rows = [table.head, tuple("---" for _ in table.head)]
    head = [f"| {' | '.join(row)} |" for row in rows]
    return [*head, *(f"| {' | '.join(_text(cell) for cell in row)} |" for row in table.rows)]


def _text(text: str) -> str:
    """Keep a card's words from being read as Markdown or HTML."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
