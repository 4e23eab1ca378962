"""How a classification looks in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..results import Classification

__all__ = ["print_votes", "votes_table"]

_NO_GUARD = "It has no guard: whether the X-ray is like its training data is not known."


def print_votes(console: Console, file: str, classification: Classification) -> None:
    """Print the votes of the networks, and before them a warning of an X-ray that is unlike the training data.

    Parameters
    ----------
    console : Console
        Where.
    file, classification
        See `votes_table`.
    """
    if classification.warning:
        console.print(escape(f"WARNING: {file}: {classification.warning}"), style="bold red")
    console.print(votes_table(file, classification))


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
        A row per label: the vote, the mean, and every network's probability; below, how like the training data the
        X-ray is, and the intended use.
    """
    likeness = classification.likeness
    about = _NO_GUARD if likeness is None else likeness.text
    table = Table(
        title=f"{escape(file)}: {escape(', '.join(classification.majority) or 'no label has a majority')}",
        caption=escape(
            f"{classification.intended_use} Model set {classification.model_set.version}: "
            f"{classification.model_set.verdict}. {about}"
        ),
        caption_style="bold red" if classification.warning else None,
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
