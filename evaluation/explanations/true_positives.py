"""Films that a network gets right: an explanation of a label that it does not see need not point at it."""

from __future__ import annotations

from .disagreement import MAJORITY
from .tables import AuditedFilm

__all__ = ["is_true_positive"]


def is_true_positive(film: AuditedFilm, network: str, label: str) -> bool:
    """Tell whether a film has a label and a network calls it.

    Parameters
    ----------
    film : AuditedFilm
        The film.
    network : str
        Its name, or ``majority``. Empty for what is no network's, such as the average mask: then the majority decides.
    label : str
        The label.

    Returns
    -------
    bool
        False too where the label is not known, or the network was not asked.
    """
    return film.known.get(label, False) and label in film.called.get(network or MAJORITY, ())
