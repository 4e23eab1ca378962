"""How a classification looks in a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from ..results import Classification

__all__ = ["votes_table"]


def votes_table(file: str, classification: Classification) -> Table:
    """Lay out the votes of the networks.

    Parameters
    ----------
    file : str
        The X-ray's name.
    classification : Classification
        What was said of it.

    Returns
    -------
    Table
        A row per label: the vote, the mean, and every network's probability; the intended use below.
    """
    table = Table(
        title=f"{escape(file)}: {escape(', '.join(classification.majority) or 'no label has a majority')}",
        caption=f"{escape(classification.intended_use)} Model set {classification.model_set.version}: "
        f"{escape(classification.model_set.verdict)}.",
    )
    table.add_column("label")
    table.add_column("majority")
    table.add_column("votes", justify="right")
    table.add_column("mean probability", justify="right")
    for answer in classification.answers:
        table.add_column(escape(str(answer.model)), justify="right")
    for index, vote in enumerate(classification.labels):
        table.add_row(
            escape(vote.label),
            "yes" if vote.majority else "",
            f"{vote.votes}/{len(classification.answers)}",
            f"{vote.mean_probability:.3f}",
            *(
                f"{answer.probabilities[index]:.3f}{' *' if answer.votes[index] else ''}"
                for answer in classification.answers
            ),
            style="bold" if vote.majority else None,
        )
    return table
