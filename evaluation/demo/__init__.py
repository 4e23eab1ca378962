"""The main job from end to end on embedded defaults, measured, with a report to look at."""

from .run import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]
