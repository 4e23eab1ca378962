"""The predictors that know no medicine, by which every score is measured."""

from __future__ import annotations

from .category import Category
from .one_number import OneNumber, brightness, distance_from_square
from .patient_number import PatientNumber
from .predictor import Predictor
from .thumbnail import Thumbnail, outer_ring

__all__ = ["PREDICTORS"]

PREDICTORS: tuple[Predictor, ...] = (
    Category("not square", lambda film: "square" if film.shape[0] == film.shape[1] else "not square"),
    OneNumber("aspect", distance_from_square),
    Category("source", lambda film: film.film.main_source),
    Category("part of source", lambda film: film.film.source),
    Category("view", lambda film: film.film.view),
    PatientNumber(),
    OneNumber("brightness", brightness),
    Thumbnail("thumbnail", lambda film: film.crop),
    Thumbnail("padded thumbnail", lambda film: film.whole),
    Thumbnail("outer ring", lambda film: film.crop, outer_ring()),
    Thumbnail("centre hidden", lambda film: film.frame),
)
"""In the order in which tables list them."""
