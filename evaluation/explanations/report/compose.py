"""Put the report of an audit together: the verdict on shortcuts first, then the claims, then what they rest on."""

from __future__ import annotations

from ...report.document import Report, Section
from ..pictures import Pictures
from ..result import AuditResult
from ..tables import AuditHead
from . import closing_sections, picture_sections, place_sections, rank_sections
from .agreement_section import agreement
from .claim_section import claims
from .mistake_section import mistakes
from .value_sections import values
from .wording import Words

__all__ = ["NOT_AUDITED", "compose", "illustrate", "without_pictures"]

NOT_AUDITED = "shortcut not excluded: not audited"


def compose(
    result: AuditResult,
    head: AuditHead,
    illustrations: tuple[Section, ...] = (),
    extra_sections: tuple[Section, ...] = (),
) -> Report:
    """Return the report of an audit.

    Parameters
    ----------
    result : AuditResult
        What it found.
    head : AuditHead
        What the tables mean.
    illustrations : tuple of Section
        X-rays under maps; see `illustrate`.
    extra_sections : tuple of Section
        Shown before how the numbers were made, such as those of neuron activation profiles.
    """
    words = Words(head)
    sections = [
        claims(result),
        rank_sections.networks(result, words),
        rank_sections.methods(result, words),
        rank_sections.disagreement(result, words),
        mistakes(head),
        *illustrations,
        place_sections.localisation(result, words),
        place_sections.lungs(result, words),
        *values(result, words),
        agreement(result, words),
        *extra_sections,
        closing_sections.data(result, head),
        closing_sections.missing(result),
        closing_sections.made(result, head),
    ]
    verdict = result.shortcut_verdict or NOT_AUDITED
    return Report(
        title=f"Explanations of {len(head.networks)} networks on {head.data}",
        intended_use=result.intended_use,
        verdict=f"Shortcuts: {verdict}.".replace("..", "."),
        verdicts=(
            "No map makes up for that: a network that leans on a shortcut is explained faithfully when its map shows "
            "the shortcut.",
            *((head.precision,) if head.precision else ()),
            *(f"{one.claim} Here: {one.verdict}." for one in result.claims),
        ),
        sections=tuple(section for section in sections if section is not None),
    )


def illustrate(head: AuditHead, pictures: Pictures) -> tuple[Section, ...]:
    """Return the sections with X-rays and maps, for the page alone."""
    words = Words(head)
    found = (picture_sections.figures(head, pictures, words), picture_sections.failures(head, pictures, words))
    return tuple(section for section in found if section is not None)


def without_pictures() -> tuple[Section, ...]:
    """Return what a page says where it has no X-rays and no maps."""
    return (
        Section(
            "The maps: not in this report",
            (
                "This report was computed from the tables alone: no X-ray and no map is in it, so it can be passed on "
                "where X-rays cannot. Whoever has the films and the stored maps makes it with them: radiolucent audit "
                "--from-tables TABLES --manifest MANIFEST.",
            ),
        ),
    )
