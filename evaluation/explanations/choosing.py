"""Which films of a split are explained: a seeded draw in which every kind of film, and every patient, has its turn."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from ...datasets import Film

__all__ = ["Chosen", "Marks", "choose_films"]

BOXED_SHARE = 3
"""Every third film is one with boxes of disease, as long as there are some: localisation has few films anyway."""


@dataclass(frozen=True)
class Marks:
    """Films by what their maps can be compared to.

    Parameters
    ----------
    boxed : collection of str
        Files with boxes of disease.
    lungs : collection of str
        Files whose lungs are known.
    """

    boxed: Collection[str] = frozenset()
    lungs: Collection[str] = frozenset()


@dataclass(frozen=True)
class Chosen:
    """The films of an audit.

    Parameters
    ----------
    films : tuple of Film
        In the order in which they were drawn: its first films are a smaller draw by the same rule.
    explained : dict of str to tuple of str
        By file: the labels that are explained, those of the film that are known to be true.
    words : str
        The rule, and what it gave.
    unreadable : tuple of (str, str)
        Files that were drawn and cannot be read, with the reasons; others took their places.
    """

    films: tuple[Film, ...]
    explained: dict[str, tuple[str, ...]]
    words: str
    unreadable: tuple[tuple[str, str], ...] = ()


def choose_films(
    films: Sequence[Film],
    labels: Sequence[str],
    count: int | None,
    seed: int,
    marks: Marks,
    problem: Callable[[Film], str] = lambda film: "",
) -> Chosen:
    """Draw films.

    A *kind* of film is a combination of true labels and main source. Every third film drawn is one with boxes of
    disease; the others come from the kinds in turn, so that each has the same share as far as it goes. Within a kind,
    patients come once before one comes twice, and films whose lungs are known and others alternate.

    Parameters
    ----------
    films : sequence of Film
        Of one split.
    labels : sequence of str
        Labels that may be explained.
    count : int, optional
        How many; None: all that have one of the labels.
    seed : int
        Of the draw. The same films and seed give the same draw.
    marks : Marks
        Which films have boxes and masks.
    problem : callable
        Says why a film cannot be used, or nothing.

    Returns
    -------
    Chosen
        The films; fewer than `count` where there are no more.
    """
    explained = {film.file: tuple(label for label in labels if film.known.get(label)) for film in films}
    able = [film for film in films if explained[film.file]]
    chosen: list[Film] = []
    unreadable = []
    for film in _drawn(able, explained, seed, marks):
        if count is not None and len(chosen) >= count:
            break
        if reason := problem(film):
            unreadable.append((film.file, reason))
        else:
            chosen.append(film)
    words = _words(chosen, able, explained, count, seed, marks)
    return Chosen(tuple(chosen), {film.file: explained[film.file] for film in chosen}, words, tuple(unreadable))


def _drawn(films: Sequence[Film], explained: dict[str, tuple[str, ...]], seed: int, marks: Marks) -> Iterator[Film]:
    random = np.random.default_rng(seed)
    in_order = sorted(films, key=lambda film: film.file)
    shuffled = [in_order[index] for index in random.permutation(len(in_order))]
    seen: Counter[str] = Counter()
    turn = {}
    for film in shuffled:
        turn[film.file] = seen[film.group]
        seen[film.group] += 1
    of_boxed = [film for film in shuffled if film.file in marks.boxed]
    of_others = [film for film in shuffled if film.file not in marks.boxed]
    boxed, others = (_in_turn(some, explained, turn, marks) for some in (of_boxed, of_others))
    drawn = 0
    while boxed or others:
        from_boxed = boxed and (drawn % BOXED_SHARE == 0 or not others)
        yield (boxed if from_boxed else others).popleft()
        drawn += 1


def _in_turn(
    shuffled: Sequence[Film],
    explained: dict[str, tuple[str, ...]],
    turn: dict[str, int],
    marks: Marks,
) -> deque[Film]:
    """Return these films, one of each kind after the other."""
    kinds: dict[tuple[tuple[str, ...], str], list[Film]] = {}
    for film in sorted(shuffled, key=lambda film: turn[film.file]):  # stable: shuffled within a turn
        kinds.setdefault((explained[film.file], film.main_source), []).append(film)
    queues = [_alternating(kinds[kind], turn, marks) for kind in sorted(kinds)]
    return deque(film for row in zip_longest(*queues) for film in row if film is not None)


def _alternating(films: Sequence[Film], turn: dict[str, int], marks: Marks) -> list[Film]:
    alternating: list[Film] = []
    for now in sorted({turn[film.file] for film in films}):
        of_turn = [film for film in films if turn[film.file] == now]
        masked = [film for film in of_turn if film.file in marks.lungs]
        bare = [film for film in of_turn if film.file not in marks.lungs]
        alternating += [film for pair in zip_longest(masked, bare) for film in pair if film is not None]
    return alternating


def _words(
    chosen: Sequence[Film],
    able: Sequence[Film],
    explained: dict[str, tuple[str, ...]],
    count: int | None,
    seed: int,
    marks: Marks,
) -> str:
    kinds = Counter((" + ".join(explained[film.file]), film.main_source or "unknown source") for film in chosen)
    parts = ", ".join(f"{number} {labels} of {source}" for (labels, source), number in sorted(kinds.items()))
    boxed = sum(film.file in marks.boxed for film in chosen)
    lungs = sum(film.file in marks.lungs for film in chosen)
    patients = len({film.group for film in chosen})
    rule = (
        f"all {len(chosen)} readable X-rays with a label to explain"
        if count is None
        else f"{len(chosen)} of {len(able)} X-rays with a label to explain, drawn with seed {seed}: every third has "
        "boxes of disease as far as there are such, the others come from each combination of labels and source in "
        "turn; patients come once before one comes twice; films whose lungs are known and others alternate"
    )
    known = f"{boxed} with boxes of disease, {lungs} with known lungs"
    return f"{rule}. They are {parts or 'none'}; {patients} patients; {known}."
