"""What every card says in plain words, and how it says what an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping

from .evaluated import Estimate, Evaluation

__all__ = ["INTENDED_USE", "LIMITATIONS", "NOT_EVALUATED", "VOTE_RULE", "baseline_of", "metrics_of", "verdict_of"]

INTENDED_USE = "Research use only. Not for diagnosis."
"""Said wherever a result is shown."""

NOT_EVALUATED = "shortcut not excluded: not evaluated"
"""The verdict on what was never audited: nothing is known, so nothing is excluded."""

LIMITATIONS = (
    "It was made for single frontal chest X-rays. On anything else its numbers mean nothing, and it gives some all the "
    "same.",
    "It knows its own labels alone. What it has no label for it does not report, however plain it is on the film.",
    "Chest X-rays of one label often come from other hospitals, devices and patients than those of another. A network "
    "can tell the films apart by that. No score says that it looked at the lungs unless the shortcut audit excludes "
    "the shortcut.",
    "Scores and probabilities hold for films like those it was evaluated and calibrated on, in which diseases are as "
    "frequent as there. Another hospital needs its own evaluation.",
    "Heatmaps explain the logits of a network, before calibration. They show what moved its answer, not where a "
    "disease is.",
)
"""True of every network here."""

VOTE_RULE = (
    "Each network votes for a label where its probability (calibrated, where its card has a calibration) is at or "
    "above its own threshold for that label. The majority label set holds every label that more than half of the "
    "networks vote for, and every label that these imply. The mean of the networks' probabilities is given beside it; "
    "thresholds of the mean take no part in the vote."
)
"""How the networks of an ensemble decide, with thresholds of their own."""

_SHOWN = {"micro_f1": "all films: micro F1"}
_BASELINES = {"thumbnail_ridge_micro_f1": "ridge regression on a 16 x 16 thumbnail: micro F1 {:.3f}"}


def verdict_of(evaluation: Evaluation | None) -> str:
    """Return the verdict of the shortcut audit over all labels, in plain words."""
    return NOT_EVALUATED if evaluation is None else evaluation.verdict


def metrics_of(metrics: Mapping[str, float], evaluation: Evaluation | None) -> dict[str, Estimate]:
    """Return what was measured, by name: by an evaluation where there is one, else what training measured.

    The two are never mixed: the one has intervals and an audit, the other neither.
    """
    if evaluation is not None:
        return evaluation.metrics
    return {name: Estimate(value=value) for name, value in metrics.items()}


def baseline_of(metrics: Mapping[str, float], evaluation: Evaluation | None) -> str:
    """Say what the strongest baselines that know no medicine score; empty where that is not known.

    Parameters
    ----------
    metrics : mapping of str to float
        Scores of a card.
    evaluation : Evaluation, optional
        First what is best on all its films, of the metrics that are shown alone; then its comparisons within a source,
        which are the fairer ones.
    """
    told = []
    for name, best in evaluation.baselines.items() if evaluation is not None else ():
        if name in _SHOWN and best.value is not None:
            sure = "" if best.low is None or best.high is None else f" ({best.low:.3f} to {best.high:.3f})"
            told.append(f"{_SHOWN[name]} of {best.predictor} {best.value:.3f}{sure}")
    for verdict in evaluation.verdicts if evaluation is not None else ():
        if verdict.baseline is None or verdict.comparison is None:
            continue
        text = f"{verdict.comparison}: {verdict.baseline}"
        if (difference := verdict.difference) is not None and difference.value is not None:
            text += f", AUC of the model is {difference.value:+.3f} from it"
            if difference.low is not None and difference.high is not None:
                text += f" ({difference.low:+.3f} to {difference.high:+.3f})"
        told.append(text)
    if not told:
        told = [text.format(metrics[name]) for name, text in _BASELINES.items() if name in metrics]
    return "; ".join(dict.fromkeys(told))
