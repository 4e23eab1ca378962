"""A card's page as one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape

from .page import Page, Section, Table

__all__ = ["as_html"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --mark: #b3372c; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
.use { font-weight: 600; border-left: 4px solid var(--mark); padding-left: .7rem; }
.first { border: 1px solid var(--line); padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
@media print { body { max-width: none; } }
"""


def as_html(page: Page) -> str:
    """Write a page as HTML; nothing in it is loaded from elsewhere, and nothing of a card is read as HTML."""
    use = f'<p class="use">{escape(page.intended_use)}</p>'
    body = "\n".join(_section(section, first=number == 0) for number, section in enumerate(page.sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(page.title)}</h1>\n{use}\n{body}\n{use}\n</body>\n</html>\n"
    )


def _section(section: Section, *, first: bool) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(sentence)}</p>" for sentence in section.sentences]
    if section.points:
        parts.append("<ul>" + "".join(f"<li>{escape(point)}</li>" for point in section.points) + "</ul>")
    parts += [_table(table) for table in section.tables]
    return f"<section{' class=first' if first else ''}>\n" + "\n".join(parts) + "\n</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows)
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{rows}</table></div>'
