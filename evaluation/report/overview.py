"""Several evaluations of the same networks' recipe side by side: the rows worth reporting, in one place."""

from __future__ import annotations

from collections.abc import Mapping

from ..result import EvaluationResult
from ..statistics.predictors import MEAN
from .document import Item, ScoreTable, Table
from .markdown import table_to_markdown
from .numbers import ABSENT, NOT_ESTIMABLE, side, signed, with_interval
from .shortcut_rows import best_baselines

__all__ = ["overview"]


def overview(results: Mapping[str, EvaluationResult]) -> str:
    """Return the tables of several evaluations as Markdown.

    Parameters
    ----------
    results : mapping of str to EvaluationResult
        By the name that rows shall carry; the first one is of the model set that is released.

    Returns
    -------
    str
        Scores of the first; comparisons, verdicts and sources of all.
    """
    first = next(iter(results.values()))
    items: list[Item] = [_scores(first), _verdicts(results), _comparisons(results), _sources(results)]
    left_out = _left_out(results)
    return "\n\n".join(table_to_markdown(item) for item in (*items, *left_out) if isinstance(item, Table))


def _scores(result: EvaluationResult) -> Item:
    columns = ("micro_f1", *(f"auroc {label}" for label in result.label_names))
    return ScoreTable(
        f"Scores: {result.films} X-rays of {result.patients} patients",
        ("predictor", "micro-F1", *(f"AUROC {label}" for label in result.label_names)),
        tuple((p.name, *(with_interval(p.metrics.get(name)) for name in columns)) for p in result.predictors),
        "The rows that begin with 'no medicine' are predictors that cannot see a lesion.",
        best_baselines(result, columns),
    )


def _verdicts(results: Mapping[str, EvaluationResult]) -> Item:
    rows = tuple((name, one.label, one.text) for name, result in results.items() for one in result.verdicts)
    return Table("Verdicts", ("evaluation", "label", "verdict"), rows)


def _comparisons(results: Mapping[str, EvaluationResult]) -> Item:
    rows = []
    for name, result in results.items():
        for one in (c for c in result.comparisons if c.estimable or not c.view):
            best = one.best_baseline
            reached = with_interval(one.auroc.get(MEAN)) if one.auroc.get(MEAN) else NOT_ESTIMABLE
            if not one.estimable and not one.is_pooled:
                reached = NOT_ESTIMABLE
            rows.append(
                (
                    name,
                    one.name,
                    side(one.positive),
                    side(one.negative),
                    reached,
                    f"{best} {with_interval(one.baselines[best])}" if best else ABSENT,
                    signed(one.difference),
                )
            )
    return Table(
        "AUROC of the mean probability beside the best predictor that knows no medicine",
        ("evaluation", "comparison", "films / patients, positive", "negative", "networks", "no medicine", "difference"),
        tuple(rows),
        "Fewer than 30 patients on a side: not estimable; within views such rows are left out. The best baseline is "
        "the best one of each resample.",
    )


def _sources(results: Mapping[str, EvaluationResult]) -> Item:
    rows = tuple(
        (
            name,
            one.source,
            one.seen,
            side(one.inside),
            side(one.outside),
            with_interval(one.auroc) + ("" if one.estimable else ", few patients"),
        )
        for name, result in results.items()
        for one in (result.audit.sources if result.audit is not None else ())
        if one.auroc.value is not None
    )
    return Table(
        "How well the source can be told",
        ("evaluation", "source", "told from", "films / patients of it", "of others", "AUROC"),
        rows,
    )


def _left_out(results: Mapping[str, EvaluationResult]) -> tuple[Item, ...]:
    rows = []
    for name, result in results.items():
        for one in result.audit.left_out if result.audit is not None else ():
            cells = (side(one.positive), side(one.negative))
            for measured, what, missing in (
                (one.recall, "recall", one.positive),
                (one.specificity, "specificity", one.negative),
            ):
                reached = one.why_not(missing) if measured is None else with_interval(measured.get(MEAN))
                rows.append((name, one.source, one.label, *cells, what, reached))
    if not rows:
        return ()
    header = ("evaluation", "source left out", "label", "films / patients with it", "without", "what", "networks")
    return (Table("Sources that the networks had never seen", header, tuple(rows)),)
