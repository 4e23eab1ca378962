"""How a package brings explanation methods, and segmenters of the lungs.

A package names a module of its own in the entry-point group ``radiolucent.plugins``; that module says for which
version of the contract it was made, and implements a hook or both::

    from radiolucent.plugins import hookimpl

    RADIOLUCENT_API_VERSION = 1

    @hookimpl
    def radiolucent_register_methods(register):
        register(MyMethod())
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from .contract import Method
from .segmenter import Segmenter

__all__ = ["ENTRY_POINT_GROUP", "PROJECT", "Register", "RegisterSegmenter", "hookimpl", "hookspec"]

PROJECT = "radiolucent"
"""pluggy's name of the project."""

ENTRY_POINT_GROUP = "radiolucent.plugins"
"""Where packages name their plugins."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's implementation of a hook."""

Register = Callable[[Method[Any]], None]
"""Takes one method; may be called many times. It never raises: what cannot be registered is reported."""

RegisterSegmenter = Callable[[Segmenter], None]
"""The same for a segmenter."""


@hookspec
def radiolucent_register_methods(register: Register) -> None:
    """Bring methods: call `register` with an instance of each.

    Parameters
    ----------
    register : callable
        Takes one instance of `Method`.
    """


@hookspec
def radiolucent_register_segmenters(register: RegisterSegmenter) -> None:
    """Bring segmenters of the lungs: call `register` with an instance of each.

    Parameters
    ----------
    register : callable
        Takes one instance of `Segmenter`.
    """
