"""What a served ensemble says of films: the same networks, asked through Triton."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from datetime import datetime, timezone

import numpy as np
from pydantic import ValidationError

from ..client import AsyncClient, Classification, ModelSet, RadiolucentError
from ..client.batch import score
from ..client.sources import Source
from ..datasets import DataSet, Film, Split
from ..handlers.card import DataRecord, ModelCard
from ..handlers.ensemble_card import EnsembleCard
from ..handlers.repository import ENSEMBLE
from .agreement import ServedAnswers
from .errors import EvaluationError, FilmsUnreadable
from .folds import ONE_SPLIT
from .known_splits import refuse_other_splits
from .predicting import TESTED
from .progress import Progress, silent
from .tables import Decision, Predictions, PredictionsHead

__all__ = ["predict_served", "served_answers"]

_CONCURRENCY = 4

Answer = tuple[Film, Classification]


def predict_served(
    address: str, data_set: DataSet, splits: Collection[Split] = TESTED, progress: Progress = silent
) -> tuple[Predictions, ServedAnswers]:
    """Ask a server about films.

    Parameters
    ----------
    address : str
        ``host:port``; `radiolucent.client.local_server.local_server` starts one.
    data_set : DataSet
        The films.
    splits : collection of str
        Which of them, by the data set's own splits.
    progress : callable
        Told how many films are done.

    Returns
    -------
    tuple of Predictions and ServedAnswers
        Logits with the decisions of the served cards; and probabilities, votes, majorities and means as they came.

    Raises
    ------
    EvaluationError
        If the model set changed meanwhile, serves other labels than the data set has, was trained on other splits of
        it, or its cards cannot be read.
    FilmsUnreadable
        With every film that the server refused.
    RadiolucentError
        If the server cannot be reached.
    """
    films = [film for film in data_set.films if film.split in splits]
    head, answers = asyncio.run(_ask(address, data_set, films, progress))
    labels = len(head.labels)
    logits = {
        name: np.asarray([said.answers[i].logits for _, said in answers], dtype=np.float32).reshape(-1, labels)
        for i, name in enumerate(head.decisions[ONE_SPLIT])
    }
    predictions = Predictions(head, tuple(film for film, _ in answers), (ONE_SPLIT,) * len(answers), logits)
    return predictions, served_answers(head, answers)


def served_answers(head: PredictionsHead, answers: list[Answer]) -> ServedAnswers:
    """Put what a server said of films, and what its cards say, into a table."""
    names = [answer.model.name for answer in answers[0][1].answers] if answers else []
    probabilities = {
        name: np.asarray([said.answers[i].probabilities for _, said in answers], dtype=np.float32)
        for i, name in enumerate(names)
    }
    votes = np.asarray([[label.votes for label in said.labels] for _, said in answers], dtype=np.int32)
    majority = np.asarray([[label.majority for label in said.labels] for _, said in answers], dtype=np.bool_)
    mean = np.asarray([[label.mean_probability for label in said.labels] for _, said in answers], dtype=np.float32)
    return ServedAnswers(tuple(film.file for film, _ in answers), probabilities, votes, majority, mean, head)


async def _ask(
    address: str, data_set: DataSet, films: list[Film], progress: Progress
) -> tuple[PredictionsHead, list[Answer]]:
    problems: list[str] = []
    answers: list[Answer] = []
    by_name = {film.file: film for film in films}
    async with AsyncClient(address) as client:
        serving = (await client.list_models()).serving
        if serving is None:
            raise EvaluationError(f"{address} serves no model set")
        head = await _head(client, serving, data_set)
        sources = [Source(film.file, film.path) for film in films]
        async with aclosing(score(client, sources, concurrency=_CONCURRENCY)) as scored:
            done = 0
            async for one in scored:
                if one.classification is None:
                    problems.append(f"{one.source.name}: {one.error}")
                elif one.classification.model_set.version != serving.version:
                    raise EvaluationError(f"{address} changed its model set while it was evaluated")
                else:
                    answers.append((by_name[one.source.name], one.classification))
                done += 1
                progress("served ensemble", done, len(films))
    if problems:
        raise FilmsUnreadable(problems)
    return head, answers


async def _head(client: AsyncClient, serving: ModelSet, data_set: DataSet) -> PredictionsHead:
    try:
        members = [
            ModelCard.model_validate((await client.get_model(member.name, member.version)).card)
            for member in serving.members
        ]
        ensemble = EnsembleCard.model_validate((await client.get_model(ENSEMBLE, serving.version)).card)
    except ValidationError as error:
        raise EvaluationError("the server's model cards are not those of this version of radiolucent") from error
    except RadiolucentError as error:
        raise EvaluationError(f"the server's model cards cannot be had: {error}") from error
    lacking = [label.name for label in data_set.labels if label.name not in {own.name for own in ensemble.labels}]
    if lacking:
        raise EvaluationError(f"the served networks do not know {', '.join(lacking)}")
    refuse_other_splits(ensemble.data, data_set)
    decisions = {
        card.name: Decision(thresholds=tuple(label.threshold for label in card.labels), calibration=card.calibration)
        for card in members
    }
    return PredictionsHead(
        data=DataRecord(name=data_set.name, checksum=data_set.checksum),
        labels=ensemble.labels,
        decisions={ONE_SPLIT: decisions},
        mean_thresholds={ONE_SPLIT: tuple(label.threshold for label in ensemble.labels)},
        created=datetime.now(timezone.utc),
        versions=dict(ensemble.versions),
    )
