"""Scores, reports, and how well explanations point."""
