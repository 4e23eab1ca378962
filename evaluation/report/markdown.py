"""A report as Markdown: everything but the drawings."""

from __future__ import annotations

from .document import Report, ScoreTable, Section, Table

__all__ = ["table_to_markdown", "to_markdown"]


def to_markdown(report: Report) -> str:
    """Return the report as Markdown; drawings are left to the HTML."""
    lines = [f"# {_text(report.title)}", "", f"**{report.intended_use}**", "", f"**{report.verdict}**", ""]
    lines += [f"- {_text(verdict)}" for verdict in report.verdicts]
    for section in report.sections:
        lines += ["", *_section(section)]
    return "\n".join([*lines, "", f"**{report.intended_use}**", ""])


def _section(section: Section) -> list[str]:
    lines = [f"## {section.title}"]
    for paragraph in section.text:
        lines += ["", _text(paragraph)]
    for item in section.items:
        if isinstance(item, Table) and not item.folded:
            lines += ["", *_table(item)]
    return lines


def table_to_markdown(table: Table) -> str:
    """Return one table with its title and note."""
    return "\n".join(_table(table))


def _table(table: Table) -> list[str]:
    rows = table.rows + (table.shortcuts if isinstance(table, ScoreTable) else ())
    lines = [f"### {_text(table.title)}", "", _row(table.header), "|" + "---|" * len(table.header)]
    lines += [_row(row) for row in rows]
    return lines + (["", _text(table.note)] if table.note else [])


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
