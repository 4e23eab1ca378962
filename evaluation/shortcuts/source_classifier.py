"""How well the source of a film can be told: what there is to learn for a network that takes the shortcut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ...datasets import Film
from ..comparing import MINIMUM_PATIENTS, Side, sides_of
from ..folds import Fold
from ..statistics.binary import Floats as Doubles
from ..statistics.binary import auroc
from ..statistics.resampling import Resampling
from ..statistics.score import Score
from ..tables import BaselineScore, Predictions
from .errors import NotApplicable

__all__ = ["SourceScores", "score_sources", "source_scores"]

_FOLDS = 5
_STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Of scikit-learn's C, for standardised features; the best at the edge costs little, as curves are flat there."""

Floats = NDArray[np.float32]


class SourceScores(BaseModel):
    """How well one source can be told from the rest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """Main source."""
    seen: str
    """What it is told from: ``film, 16 x 16`` or the penultimate features of a network."""
    inside: Side
    """Tested films of the source."""
    outside: Side
    """Tested films of other sources."""
    estimable: bool
    """Whether both sides have 30 patients; else the numbers cannot be read."""
    auroc: Score
    """In [0, 1]; .5 where the source cannot be told."""


def source_scores(fold: Fold, seen: str, inputs: Mapping[str, Floats]) -> list[BaselineScore]:
    """Learn to tell main sources on training films, and score the tested ones.

    A multinomial logistic regression on standardised values; how strong its penalty is, is chosen by cross-validation
    within the training films, patients kept together.

    Parameters
    ----------
    fold : Fold
        What is fitted on, and what is tested.
    seen : str
        What the values are.
    inputs : mapping of str to ndarray of float32
        By file: any number of values of the film.

    Returns
    -------
    list of BaselineScore
        For each source and tested film: the probability of the source. The comparison is ``source: NAME``.

    Raises
    ------
    NotApplicable
        If fewer than two sources have five groups of training films.
    """
    groups = Counter(source for source, _ in {(film.main_source, film.group) for film in fold.train})
    sources = sorted(source for source, count in groups.items() if count >= _FOLDS and source)
    if len(sources) < 2:
        raise NotApplicable(f"fewer than two sources have {_FOLDS} patients or more among the training films")
    train = [film for film in fold.train if film.main_source in sources]
    model = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        {"logisticregression__C": _STRENGTHS},
        scoring="neg_log_loss",
        cv=StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0),
    )
    with threadpool_limits(1):  # threads of the matrix library cost more here than they save
        model.fit(_matrix(train, inputs), [film.main_source for film in train], groups=[film.group for film in train])
    if not fold.tested:
        return []
    found = model.predict_proba(_matrix(fold.tested, inputs))
    return [
        BaselineScore(_comparison(str(source)), seen, fold.name, film.file, float(score))
        for source, column in zip(model.classes_, found.T, strict=True)
        for film, score in zip(fold.tested, column, strict=True)
    ]


def score_sources(
    scores: Sequence[BaselineScore], predictions: Predictions, resampling: Resampling
) -> tuple[SourceScores, ...]:
    """Say how well sources can be told, from the stored scores of `source_scores`.

    Parameters
    ----------
    scores : sequence of BaselineScore
        As `source_scores` made them.
    predictions : Predictions
        For the films.
    resampling : Resampling
        Of these predictions.
    """
    keys = list(zip(predictions.folds, (film.file for film in predictions.films), strict=True))
    by_question: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for one in scores:
        by_question.setdefault((one.comparison, one.predictor), {})[one.fold, one.file] = one.score
    sources = sorted({film.main_source for film in predictions.films} - {""})
    result = []
    for source in sources:
        for (comparison, seen), found in by_question.items():
            if comparison != _comparison(source):
                continue
            rows = np.asarray([i for i, key in enumerate(keys) if key in found], dtype=np.intp)
            films = [predictions.films[row] for row in rows]
            truth = np.asarray([film.main_source == source for film in films])
            values = np.asarray([found[keys[row]] for row in rows])
            drawn = resampling.weigh(partial(_auroc, rows, truth, values))
            inside, outside = sides_of(films, truth.astype(np.float64))
            result.append(
                SourceScores(
                    source=source,
                    seen=seen,
                    inside=inside,
                    outside=outside,
                    estimable=min(inside.patients, outside.patients) >= MINIMUM_PATIENTS,
                    auroc=resampling.score(drawn),
                )
            )
    return tuple(result)


def _auroc(rows: NDArray[np.intp], truth: NDArray[np.bool_], values: Doubles, weights: Doubles) -> Doubles:
    return auroc(weights[:, rows], truth, values)


def _matrix(films: Sequence[Film], inputs: Mapping[str, Floats]) -> Doubles:
    return np.stack([np.asarray(inputs[film.file], dtype=np.float64).ravel() for film in films])


def _comparison(source: str) -> str:
    return f"source: {source}"
