"""Scores of predictors on films, and how far each can be trusted."""

from .resampling import Draws, GroupBootstrap, Resampling, resampling_of

__all__ = ["Draws", "GroupBootstrap", "Resampling", "resampling_of"]
