"""Where an X-ray comes from, as its caller names it. Echoed, never logged."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import InvalidRequest, Violation

__all__ = ["InstanceReference", "check_instance"]

_LONGEST_UID = 64


@dataclass(frozen=True)
class InstanceReference:
    """A DICOM instance by its identifiers; none of them is shown by `repr`."""

    study_instance_uid: str = field(default="", repr=False)
    series_instance_uid: str = field(default="", repr=False)
    sop_instance_uid: str = field(default="", repr=False)
    frame_number: int = field(default=0, repr=False)


def check_instance(instance: InstanceReference | None) -> None:
    """Check the lengths of identifiers.

    Raises
    ------
    InvalidRequest
        If one is longer than DICOM allows; it is not quoted.
    """
    if instance is None:
        return
    violations = [
        Violation(f"xray.instance.{name}", f"has {len(value)} characters; DICOM allows {_LONGEST_UID}")
        for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
        if len(value := getattr(instance, name)) > _LONGEST_UID
    ]
    if violations:
        raise InvalidRequest(violations)
