"""The networks of a run together: the vote, the mean, and what a thumbnail scores on the same films."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..datasets import SPLITS
from ..handlers.brightness import GRID, BrightnessStatistics
from ..handlers.repository.checksum import sha256
from ..handlers.vote import served_probabilities
from .baseline import thumbnail_ridge
from .examples import Examples
from .export import library_versions
from .finish import HELD_OUT, RunInProgress, load_logits, thresholds_for
from .record import NetworkResult, RunRecord
from .scores import majority, score

__all__ = ["score_together"]


def score_together(run: RunInProgress, examples: Examples, results: Sequence[NetworkResult]) -> RunRecord:
    """Score the ensemble of finished networks on the test split.

    Parameters
    ----------
    run : RunInProgress
        The run, with its ``splits.csv`` in place.
    examples : Examples
        Its data.
    results : sequence of NetworkResult
        Of all networks.
    """
    labels = run.settings.labels
    names = [label.name for label in labels]
    truth = run.cache.targets("test")
    scores = {
        split: np.stack([served_probabilities(load_logits(run.folder / r.name, split), r.calibration) for r in results])
        for split in HELD_OUT
    }
    mean = {split: values.mean(axis=0) for split, values in scores.items()}
    mean_thresholds = thresholds_for(run, mean["val"])
    mean_limits = np.asarray([threshold.value for threshold in mean_thresholds], dtype=np.float32)
    voted = majority(scores["test"], [result.limits for result in results], labels)
    blind, ranking = thumbnail_ridge(run.cache)
    return RunRecord(
        settings=run.settings,
        films={split: examples.count(split) for split in SPLITS},
        splits=sha256(run.folder / "splits.csv"),
        licences=dict(examples.licences()),
        networks=tuple(results),
        majority=score(voted, truth, names),
        mean=score(mean["test"] >= mean_limits, truth, names, mean["test"]),
        mean_thresholds=mean_thresholds,
        thumbnail_ridge=score(blind, truth, names, ranking),
        versions=library_versions(),
        brightness=BrightnessStatistics.of(run.cache.images("train", GRID)),
    )
