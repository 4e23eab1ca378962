"""The sections of a card's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..results import Interval, Model
from .page import Section, Table

__all__ = [
    "audit",
    "data",
    "intended_use",
    "labels",
    "limitations",
    "metrics",
    "probabilities",
    "technical",
    "training",
]

Card = Mapping[str, Any]

_NOT_RECORDED = "This is not recorded in the card."


def audit(verdict: str, baseline: str, evaluation: Card) -> Section:
    """Say first whether a score can be believed."""
    rows = tuple(
        (one["label"], "yes" if one["excluded"] else "no", one["text"]) for one in evaluation.get("verdicts", ())
    )
    told = [
        f"{verdict[:1].upper()}{verdict[1:]}.",
        "The shortcut is excluded only where, within one source of films, the classifier is surely better than every "
        "predictor that knows no medicine (shape and brightness of the film, its edge, a thumbnail, its source).",
    ]
    if baseline:
        told.append(f"The best of these: {baseline}.")
    tables = (Table(("label", "shortcut excluded", "why"), rows),) if rows else ()
    return Section("Verdict of the shortcut audit", tuple(told), tables=tables)


def intended_use(card: Card) -> Section:
    """Say what it is for, and of an ensemble how it decides."""
    told = [
        card.get("intended_use", ""),
        "It scores single frontal chest X-rays for the labels below, for research into classifiers and their "
        "explanations. It is not a medical device.",
    ]
    if rule := card.get("vote_rule"):
        members = ", ".join(f"{name} {version}" for name, version in card.get("members", {}).items())
        told += [f"It is the vote of {members}.", rule]
    elif card.get("source") == "imported":
        told.append("It was imported, not trained here: what its maker knows of it is not in this card.")
    return Section("Intended use", tuple(told))


def metrics(model: Model, evaluation: Card) -> Section:
    """List scores with intervals, beside the verdict."""
    verdict = f"Audit: {model.verdict}."
    if not model.metrics:
        return Section("Scores", ("No score is recorded.", verdict))
    if evaluation:
        where = (
            f"On {evaluation['data']}: {evaluation['films']} films of {evaluation['patients']} patients. Intervals are "
            "of 95 %, by bootstrap over patients."
        )
    else:
        where = "As training measured them, once, without intervals: nobody evaluated it."
    beside = evaluation.get("baselines", {})
    rows = tuple(
        (name, f"{value:.3f}", _interval(model.intervals.get(name)), _beside(beside.get(name)))
        for name, value in sorted(model.metrics.items())
    )
    head = ("score", "value", "95 % interval", "best that knows no medicine")
    return Section("Scores", (verdict, where), tables=(Table(head, rows),))


def _beside(best: Card | None) -> str:
    """Say what the best baseline scores in the same metric."""
    if best is None or best.get("value") is None:
        return "not measured"
    sure = "" if best.get("low") is None else f" ({best['low']:.3f} to {best['high']:.3f})"
    return f"{best['predictor']} {best['value']:.3f}{sure}"


def _interval(one: Interval | None) -> str:
    return f"{one.low:.3f} to {one.high:.3f}" if one is not None else "not estimated"


def labels(card: Card) -> Section:
    """List labels with hierarchy, codes and thresholds."""
    recorded = {one["label"]: one for one in card.get("thresholds", ())}
    rows = []
    for label in card.get("labels", ()):
        code, chosen = label.get("code"), recorded.get(label["name"])
        sure = chosen is not None and chosen.get("low") is not None
        rows.append(
            (
                label["name"],
                label.get("implies") or "",
                f"{code['scheme']} {code['value']} {code['meaning']}" if code else "none",
                f"{label.get('threshold', 0.5):.3f}",
                f"{chosen['low']:.3f} to {chosen['high']:.3f}" if chosen and sure else "not estimated",
                _chosen(chosen),
            )
        )
    of = "the mean probability; they take no part in the vote" if "vote_rule" in card else "the probability, as served"
    head = ("label", "implies", "code (SCT: SNOMED CT)", "threshold", "95 % interval", "chosen by")
    return Section("Labels and thresholds", (f"Thresholds are of {of}.",), tables=(Table(head, tuple(rows)),))


def _chosen(chosen: Card | None) -> str:
    if chosen is None:
        return "not recorded"
    return str(chosen["chosen_by"]) + (f" (split: {chosen['split']})" if chosen.get("split") else "")


def probabilities(card: Card) -> Section:
    """Say what a probability is worth."""
    heading = "Probabilities"
    note = "Heatmaps explain logits, which calibration does not change."
    if "vote_rule" in card:
        calibrated = card.get("calibrated", {})
        points = tuple(f"{name}: {calibrated.get(name, 'not calibrated')}" for name in card.get("members", {}))
        return Section(heading, ("How each network's probabilities are calibrated:",), points)
    calibration = card.get("calibration")
    if calibration is None:
        return Section(
            heading, ("They are not calibrated: .8 does not mean that 8 of 10 such films have the finding.", note)
        )
    names = [label["name"] for label in card["labels"]]
    rows = tuple(
        (name, f"{scale:.4g}", f"{offset:+.4g}")
        for name, scale, offset in zip(names, calibration["scale"], calibration["offset"], strict=True)
    )
    told = (f"Calibrated by {calibration['method']} scaling: the sigmoid of scale * logit + offset.", note)
    return Section(heading, told, tables=(Table(("label", "scale", "offset"), rows),))


_COMMERCIAL = {
    True: "The licences of all training films allow commercial use.",
    False: "The licences of some training films do not allow commercial use.",
    None: "Whether the licences allow commercial use is not known.",
}


def data(card: Card) -> Section:
    """Say what it was trained on, and what that allows."""
    heading = "Data and licences"
    record = card.get("data") or (card.get("training") or {}).get("data")
    if record is None:
        more = " The cards of the networks may say it." if "members" in card else ""
        return Section(heading, (_NOT_RECORDED + more, _COMMERCIAL[None]))
    told = [f"Trained on {record['name']}.", _COMMERCIAL[record.get("commercial_use")]]
    if record.get("commercial_only"):
        told.append("Films whose licence does not allow commercial use were left out on request (--commercial-only).")
    sums = [("manifest", record["checksum"])] + ([("splits", record["splits"])] if record.get("splits") else [])
    tables = [Table(("document", "SHA-256"), tuple(sums))]
    if licences := record.get("licences"):
        rows = tuple((name or "not known", str(films)) for name, films in sorted(licences.items()))
        tables.insert(0, Table(("licence", "training films"), rows))
    else:
        told.append("The licences of the films are not recorded.")
    return Section(heading, tuple(told), tables=tuple(tables))


_TRAINING = {
    "preset": "preset",
    "epochs": "epochs",
    "best_epoch": "epoch whose weights were kept",
    "steps": "optimiser steps",
    "initial_weights": "weights at the start",
    "optimiser": "optimiser",
    "learning_rate": "peak learning rate",
    "schedule": "learning rate",
    "weight_decay": "weight decay",
    "batch": "films per step",
    "loss": "loss",
    "augmentation": "augmentation",
    "precision": "precision",
    "seed": "seed",
    "seconds": "seconds of wall time",
}


def training(card: Card) -> Section:
    """Say how it was trained."""
    record = card.get("training")
    if record is None:
        return Section("Training", ("See the cards of the networks." if "members" in card else _NOT_RECORDED,))
    rows = [(text, _plain(record[name])) for name, text in _TRAINING.items() if record.get(name) is not None]
    rows += [(f"films, {split}", str(count)) for split, count in (record.get("films") or {}).items()]
    return Section("Training", tables=(Table(("what", "value"), tuple(rows)),))


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def limitations(card: Card) -> Section:
    """Say what it cannot do."""
    told: Sequence[str] = card.get("limitations", ())
    return Section("Limitations", () if told else (_NOT_RECORDED,), tuple(told))


def technical(card: Card) -> Section:
    """List what a security officer asks for: parity, checksums, versions."""
    tables = []
    if parity := card.get("parity"):
        rows = (
            ("TorchScript", _difference(parity.get("torchscript_max_abs"))),
            ("ONNX", _difference(parity.get("onnx_max_abs"))),
        )
        tables.append(Table(("form", "largest difference of logits from the network as trained"), rows))
    if files := card.get("files"):
        tables.append(Table(("file", "SHA-256"), tuple(sorted(files.items()))))
    if versions := card.get("versions"):
        tables.append(Table(("software", "version"), tuple(sorted(versions.items()))))
    told = (f"Made {card['created']}.",) if card.get("created") else (_NOT_RECORDED,)
    return Section("Parity, checksums and versions", told, tables=tuple(tables))


def _difference(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1e}"
