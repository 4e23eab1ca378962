"""The claims of arXiv:2006.02570 about its networks, and what these numbers say to each."""

from __future__ import annotations

import numpy as np

from ..result import Claim, Contrast, Verdict
from ..units import Floats
from .accuracy import accuracy_contrasts
from .evidence import DENSENET, Evidence, contrasts_of, decide, is_resnet

__all__ = ["claims_of"]


def claims_of(evidence: Evidence) -> tuple[Claim, ...]:
    """Return every claim with its verdict."""
    return (
        _resnets_most_interpretable(evidence),
        _densenet_most_accurate(evidence),
        _densenet_dead_neurons(evidence),
        _densenet_outside_the_lungs(evidence),
        _score_does_not_tell(evidence),
    )


def _resnets_most_interpretable(evidence: Evidence) -> Claim:
    named: list[tuple[str, Floats, int]] = []
    for one in evidence.ranked:
        own = np.array([is_resnet(name) for name in one.names])
        if own.any() and not own.all():
            apart = one.goodness[:, own].mean(1) - one.goodness[:, ~own].mean(1)
            named.append((evidence.name_of(one), apart, one.ranking.patients))
    contrasts = contrasts_of(evidence.units.resampling, named)
    verdict, why = decide(contrasts)
    networks = evidence.units.networks
    if not any(map(is_resnet, networks)) or all(map(is_resnet, networks)):
        why = "The model set has no ResNets beside other networks."
    return Claim(
        name="resnets most interpretable",
        claim="The ResNets explain themselves best.",
        rule="One contrast for each quantity that ranks networks. Quantities of one family are related, so the "
        "count is not one of independent proofs.",
        verdict=verdict,
        why=why,
        contrasts=contrasts,
        meaning="mean of the ResNets minus mean of the others, turned so that above 0 is better for the ResNets",
    )


def _densenet_most_accurate(evidence: Evidence) -> Claim:
    networks = evidence.units.networks
    contrasts: tuple[Contrast, ...] = ()
    verdict: Verdict = "cannot be told here"
    scores = evidence.scores
    if DENSENET not in networks:
        why = "The model set has no DenseNet161."
    elif len(networks) < 2:
        why = "The model set has no other network."
    elif not (contrasts := accuracy_contrasts(evidence.units)):
        why = f"The audited films are of too few patients. {_card_place(scores)}"
    else:
        speaking = [one.speaks for one in contrasts]
        first = DENSENET in scores and scores[DENSENET] >= max(scores.values())
        if "against" in speaking:
            verdict = "does not hold"
        elif first and all(one == "for" for one in speaking):
            verdict = "holds"
        why = (
            f"On the audited films it is ahead of {speaking.count('for')} of {len(speaking)} networks beyond chance, "
            f"and behind {speaking.count('against')}. {_card_place(scores)}"
        )
    return Claim(
        name="densenet161 most accurate",
        claim="DenseNet161 is the most accurate network.",
        rule="Holds: its card's micro-F1 is the highest, and on the audited films it is ahead of every other network "
        "(p below 0.05, Holm-corrected). Does not hold: a network is ahead of it on these films by the same measure. "
        "Everything else cannot be told here. The audited films are a part of the test split, and not a random one.",
        verdict=verdict,
        why=why,
        contrasts=contrasts,
        meaning="micro-F1 of DenseNet161 minus that of the other network, on the audited films",
    )


def _card_place(scores: dict[str, float]) -> str:
    if DENSENET not in scores:
        return "Its card has no micro-F1."
    better = sum(value > scores[DENSENET] for value in scores.values())
    return f"By its card's micro-F1 of {scores[DENSENET]:.3f} it is number {better + 1} of {len(scores)}."


def _densenet_dead_neurons(evidence: Evidence) -> Claim:
    shares = {one.network: one.unvarying / one.maps for one in evidence.dead_maps if one.maps}
    others = {name: share for name, share in shares.items() if name != DENSENET}
    verdict: Verdict = "cannot be told here"
    if DENSENET not in shares or not others:
        why = "There is no neuron activation profile of DenseNet161 beside one of another network."
    else:
        most = max(others, key=lambda name: others[name])
        verdict = "holds" if shares[DENSENET] > others[most] else "does not hold"
        why = (
            f"{shares[DENSENET]:.2%} of its feature maps are the same on every film; of {most}, the next, "
            f"{others[most]:.2%}."
            if verdict == "holds"
            else f"{shares[DENSENET]:.2%} of its feature maps are the same on every film; of {most} {others[most]:.2%}."
        )
    return Claim(
        name="densenet161 dead neurons",
        claim="DenseNet161 has dead neurons, more than the others.",
        rule="Dead: a feature map without any variance over films, at any place, counted over the profiled layers. "
        "Holds: the share of such maps is larger for DenseNet161 than for every other profiled network. Does not hold: "
        "it is not. Cannot be told: no profile of it beside another. The share depends on the films and has no "
        "interval.",
        verdict=verdict,
        why=why,
        contrasts=(),
        meaning="",
    )


def _densenet_outside_the_lungs(evidence: Evidence) -> Claim:
    named = []
    for what, one in evidence.outside:
        if DENSENET in one.names:
            place = one.names.index(DENSENET)
            apart = one.means[:, place] - np.delete(one.means, place, axis=1).mean(axis=1)
            named.append((what, apart, one.side.patients))
    contrasts = contrasts_of(evidence.units.resampling, named)
    verdict, why = decide(contrasts)
    return Claim(
        name="densenet161 outside the lungs",
        claim="DenseNet161 looks outside the lungs more than the others.",
        rule="One contrast for each source and kind of lung mask, on films with one.",
        verdict=verdict,
        why=why if contrasts else f"No source has lung masks for enough patients, or the set has no {DENSENET}.",
        contrasts=contrasts,
        meaning="share of the evidence outside the lungs, DenseNet161 minus mean of the others",
    )


def _score_does_not_tell(evidence: Evidence) -> Claim:
    scores = evidence.scores
    best = max(scores, key=lambda name: scores[name]) if len(scores) > 1 else ""
    named: list[tuple[str, Floats, int]] = []
    for one in evidence.ranked:
        if best in one.names:
            place = one.names.index(best)
            rest = np.delete(one.goodness, place, axis=1).max(axis=1)
            named.append((evidence.name_of(one), one.goodness[:, place] - rest, one.ranking.patients))
    contrasts = contrasts_of(evidence.units.resampling, named, "negative")
    verdict, why = decide(contrasts)
    return Claim(
        name="score does not tell",
        claim="The network with the best score is not the one that explains itself best.",
        rule="One contrast for each quantity that ranks networks: the network with the highest micro-F1 of its card "
        "against the best of the others. The best of several is favoured by chance, so 'for' is easier than 'against'.",
        verdict=verdict,
        why=f"{best} has the best score. {why}" if best else "The cards have no micro-F1 of two networks.",
        contrasts=contrasts,
        meaning="network of the best score minus the best of the others, turned so that below 0 is worse",
    )
