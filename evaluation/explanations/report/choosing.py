"""Which films a report shows: by rules, so that nobody picks the pretty ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..rank_agreement import SCORE
from ..tables import AuditedFilm, AuditHead

__all__ = ["FAILURES", "Case", "answered", "best_network", "failures_of", "false_alarms_of", "shown"]

FAILURES = 6
"""Failure cases that are shown at most."""

_MEAN = "mean"

Case = tuple[AuditedFilm, str]
"""A film and a label."""


def shown(head: AuditHead, asked: Sequence[str]) -> tuple[Case, ...]:
    """Return films with the label whose maps are shown.

    Parameters
    ----------
    head : AuditHead
        Films and what the networks said.
    asked : sequence of str
        Files that were asked for, each with all its explained labels. Empty: for every label the film of the highest
        and the film of the lowest mean probability.
    """
    cases = [(film, label) for film in head.films for label in film.explained]
    if asked:
        return tuple(case for file in asked for case in cases if case[0].file == file)
    found: list[Case] = []
    for label in dict.fromkeys(label for _, label in cases):
        own = sorted((case for case in cases if case[1] == label), key=lambda case: (_mean(*case), case[0].file))
        found += [own[-1]] + ([own[0]] if len(own) > 1 else [])
    return tuple(found)


def _mean(film: AuditedFilm, label: str) -> float:
    of: Mapping[str, Mapping[str, float]] = film.probabilities
    own = [of[_MEAN]] if _MEAN in of else list(of.values())
    values = [one[label] for one in own if label in one]
    return sum(values) / len(values) if values else 0.0


def best_network(head: AuditHead) -> str | None:
    """Return the network whose card has the highest micro-F1, the first of equals; None where no card has one."""
    scores = {name: head.scores[name][SCORE] for name in head.networks if SCORE in head.scores.get(name, {})}
    return max(scores, key=lambda name: scores[name]) if scores else None


def failures_of(head: AuditHead, network: str) -> tuple[Case, ...]:
    """Return films with a true label that a network misses, the most confident misses first."""
    missed = [(film, label) for film, label in answered(head, network) if label not in film.called[network]]
    return tuple(
        sorted(missed, key=lambda case: (case[0].probabilities.get(network, {}).get(case[1], 0.0), case[0].file))
    )


def answered(head: AuditHead, network: str) -> tuple[Case, ...]:
    """Return films with a true label that was to be explained, but for those that a network did not answer."""
    return tuple(
        (film, label)
        for film in head.films
        if network in film.called
        for label in film.explained
        if film.known.get(label)
    )


def false_alarms_of(head: AuditHead, network: str) -> tuple[Case, ...]:
    """Return films with a label that a network says and that is known to be false, the most confident first.

    A label that a true one implies is none: whoever says COVID-19 says pneumonia.
    """
    implies = {label.name: label.implies for label in head.labels}
    said = [
        (film, label)
        for film in head.films
        for label in film.called.get(network, ())
        if film.known.get(label) is False
        and label not in {implies.get(own) for own, true in film.known.items() if true}
    ]
    return tuple(
        sorted(said, key=lambda case: (-case[0].probabilities.get(network, {}).get(case[1], 0.0), case[0].file))
    )
