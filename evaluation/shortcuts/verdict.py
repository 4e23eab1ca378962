"""Whether a label's score can be explained by what is not medicine."""

from __future__ import annotations

from collections.abc import Sequence

from ...handlers.evaluated import ShortcutVerdict
from ..comparing import MINIMUM_PATIENTS, ComparisonResult
from ..statistics.predictors import MEAN

__all__ = ["verdict", "verdicts"]


def verdicts(
    results: Sequence[ComparisonResult], labels: Sequence[str], predictor: str = MEAN
) -> tuple[ShortcutVerdict, ...]:
    """Judge every label: `verdict` for each of `labels`, in their order."""
    return tuple(verdict(results, label, predictor) for label in labels)


def verdict(results: Sequence[ComparisonResult], label: str, predictor: str = MEAN) -> ShortcutVerdict:
    """Judge one label of one predictor.

    Between sources anything that tells them apart passes for medicine, so only a comparison within one source counts:
    there the lower end of the 95 % interval of AUROC(predictor) - AUROC(best baseline) must be above 0.

    One comparison decides: of those within one source, of all its views, and with 30 patients or more on either side,
    the one with the most patients on its smaller side. It is chosen without looking at a score, so there is one test
    and one chance to pass it by luck. If any comparison were enough there would be as many chances as sources; if all
    had to pass, a small source would veto for want of films.

    The best baseline is the best on the tested films, in each resample anew (`compare`): its luck is counted for the
    baseline, against the predictor.

    Parameters
    ----------
    results : sequence of ComparisonResult
        All comparisons.
    label : str
        Which label.
    predictor : str
        A network, ``majority vote`` or ``mean probability``.

    Returns
    -------
    ShortcutVerdict
        In plain words, with its numbers.
    """
    within = [one for one in results if one.positive_label == label and one.source and not one.view]
    readable = [one for one in within if one.estimable]
    if not readable:
        return ShortcutVerdict(label=label, excluded=False, text=f"shortcut not excluded: {_no_comparison(within)}")
    deciding = max(readable, key=_size)
    difference = deciding.differences.get(predictor)
    if deciding.best_baseline is None or difference is None or difference.value is None:
        return ShortcutVerdict(
            label=label,
            excluded=False,
            text=f"shortcut not excluded: no baseline was measured for {deciding.name}",
            comparison=deciding.name,
        )
    excluded = difference.low is not None and difference.low > 0
    return ShortcutVerdict(
        label=label,
        excluded=excluded,
        text=f"shortcut {'excluded' if excluded else 'not excluded'}: {_numbers(deciding, predictor, excluded)}",
        comparison=deciding.name,
        difference=difference.estimate(),
        baseline=deciding.best_baseline,
    )


def _size(result: ComparisonResult) -> tuple[int, int]:
    sides = (result.positive.patients, result.negative.patients)
    return min(sides), max(sides)


def _no_comparison(within: Sequence[ComparisonResult]) -> str:
    if not within:
        return "no source has films with and films without this label, so that sources and labels cannot be told apart"
    largest = max(within, key=_size)
    return (
        f"no comparison within one source has {MINIMUM_PATIENTS} patients on either side; the largest, {largest.name}, "
        f"has {largest.positive.patients} and {largest.negative.patients}"
    )


def _numbers(result: ComparisonResult, predictor: str, excluded: bool) -> str:
    score, best = result.auroc[predictor].value, result.baselines[result.best_baseline or ""].value
    difference = result.differences[predictor]
    if difference.low is None:
        interval = "no interval can be given"
    else:
        interval = f"95 % interval {difference.low:+.3f} to {difference.high:+.3f}"
        interval += "" if excluded else ", which must lie above 0"
    return (
        f"in {result.name} ({result.positive.patients} and {result.negative.patients} patients) the AUROC of the "
        f"{predictor} is {score:.3f}, that of the best baseline that knows no medicine ({result.best_baseline}) "
        f"{best:.3f}; difference {difference.value:+.3f}, {interval}"
    )
