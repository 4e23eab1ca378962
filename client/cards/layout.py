"""What stands on a card's page, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import ModelDetails
from . import sections
from .page import Page

__all__ = ["card_page"]


def card_page(details: ModelDetails) -> Page:
    """Lay out a card.

    Parameters
    ----------
    details : ModelDetails
        What ``GetModel`` returned. Cards of older versions say less, and the page says what they leave out.

    Returns
    -------
    Page
        Every section is there for every card.
    """
    model, card = details.model, details.card
    evaluation: Mapping[str, Any] = card.get("evaluation") or {}
    return Page(
        title=f"{card.get('title') or model.title or model.name} ({model.name} {model.version})",
        intended_use=model.intended_use,
        sections=(
            sections.audit(model.verdict, model.baseline, evaluation),
            sections.intended_use(card),
            sections.metrics(model, evaluation),
            sections.labels(card),
            sections.probabilities(card),
            sections.data(card),
            sections.training(card),
            sections.limitations(card),
            sections.technical(card),
        ),
    )
