"""Chest X-ray classification served together with its reasons.

Research use only. Not for diagnosis.
"""

__version__ = "0.1.0"
