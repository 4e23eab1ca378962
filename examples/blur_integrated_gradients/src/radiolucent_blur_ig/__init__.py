"""A plugin that brings blur integrated gradients."""

from radiolucent.plugins import hookimpl
from radiolucent.plugins.hookspec import Register

from .method import BlurIntegratedGradients, BlurParameters

__all__ = ["BlurIntegratedGradients", "BlurParameters"]

RADIOLUCENT_API_VERSION = 1
"""The contract that this plugin keeps. A server of another one refuses it, and says so."""


@hookimpl
def radiolucent_register_methods(register: Register) -> None:
    """Bring the method."""
    register(BlurIntegratedGradients())
