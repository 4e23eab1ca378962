"""How well predicted label sets agree with the true ones."""

from __future__ import annotations

from collections.abc import Sequence


def micro_f1(predicted: Sequence[frozenset[str]], true: Sequence[frozenset[str]], labels: Sequence[str]) -> float:
    """Return the micro-averaged F1 score over all films and labels, in [0, 1].

    Parameters
    ----------
    predicted, true
        Label sets, one per film.
    labels
        The labels that count.
    """
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    binarizer = MultiLabelBinarizer(classes=list(labels)).fit([])
    as_matrix = [binarizer.transform([row & set(labels) for row in rows]) for rows in (true, predicted)]
    return float(f1_score(*as_matrix, average="micro", zero_division=0))
