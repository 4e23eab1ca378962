"""How many films there are of what, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .film import SPLITS, DataSet, Film, Split

__all__ = ["LabelCount", "SourceTable", "count_labels", "source_table", "warn_of_counts"]

_NEARLY_ALL = 0.95
_TELLS = 0.8
_FEW = 10


@dataclass(frozen=True)
class LabelCount:
    """Films of which a label is known to be present, known to be absent, and unknown."""

    present: int
    absent: int
    unknown: int


@dataclass(frozen=True)
class SourceTable:
    """Where the films of each label come from.

    Parameters
    ----------
    sources : tuple of str
        Main sources, by number of films. Empty name: not told.
    labels : tuple of str
        In the order of the logits.
    counts : mapping of (str, str) to LabelCount
        By source and label.
    """

    sources: tuple[str, ...]
    labels: tuple[str, ...]
    counts: Mapping[tuple[str, str], LabelCount]

    def rule_f1(self, label: str) -> float | None:
        """Return what "present, if it is in most films of the source" scores on the same films: F1, from 0 to 1.

        None where the label is never present.
        """
        counts = [self.counts[source, label] for source in self.sources]
        guessed = [count for count in counts if count.present > count.absent]
        hits = sum(count.present for count in guessed)
        all_present = sum(count.present for count in counts)
        if not all_present:
            return None
        return 2 * hits / (all_present + hits + sum(count.absent for count in guessed))


def count_labels(films: Sequence[Film], labels: Sequence[str]) -> dict[str, LabelCount]:
    """Count the films of each label."""
    return {label: _count(films, label) for label in labels}


def source_table(films: Sequence[Film], labels: Sequence[str]) -> SourceTable:
    """Count the films of each source and label."""
    by_source: dict[str, list[Film]] = {}
    for film in films:
        by_source.setdefault(film.main_source, []).append(film)
    sources = sorted(by_source, key=lambda source: (-len(by_source[source]), source))
    counts = {(source, label): _count(by_source[source], label) for source in sources for label in labels}
    return SourceTable(tuple(sources), tuple(labels), counts)


def warn_of_counts(data_set: DataSet) -> list[str]:
    """Say which labels are rare in a split, and which the source of a film gives away."""
    labels = [label.name for label in data_set.labels]
    warnings = [_rare(split, count_labels(data_set.of(split), labels)) for split in SPLITS]
    table = source_table(data_set.films, labels)
    if len(table.sources) > 1:
        warnings += [_confounded(table, label) for label in labels]
    return [warning for warning in warnings if warning]


def _rare(split: Split, counts: Mapping[str, LabelCount]) -> str:
    rare = [
        f"{label} present in {count.present}, absent in {count.absent}"
        for label, count in counts.items()
        if min(count.present, count.absent) < _FEW
    ]
    return f"split {split!r} has few films of a kind: {'; '.join(rare)}" if rare else ""


def _confounded(table: SourceTable, label: str) -> str:
    present = {source: table.counts[source, label].present for source in table.sources}
    total = sum(present.values())
    if not total:
        return ""
    main = max(present, key=lambda source: present[source])
    f1 = table.rule_f1(label) or 0.0
    share = present[main] / total
    reasons = []
    if share >= _NEARLY_ALL:
        reasons.append(f"{share:.0%} of its films come from {main or 'films of no known source'}")
    if f1 >= _TELLS:
        reasons.append(f"the source alone tells it with F1 {f1:.2f}")
    return f"{label}: {' and '.join(reasons)}, so a good score may mean the source" if reasons else ""


def _count(films: Sequence[Film], label: str) -> LabelCount:
    values = [film.known.get(label) for film in films]
    return LabelCount(values.count(True), values.count(False), values.count(None))
