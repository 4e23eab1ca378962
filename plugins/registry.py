"""The methods and segmenters that are installed, and the plugins that are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import MappingProxyType
from typing import Any

import pluggy

from .. import __version__
from . import hookspec, methods
from .contract import API_VERSION, Method, Parameters
from .errors import RegistrationError, UnknownMethod
from .segmenter import Segmenter
from .validation import check_method, check_segmenter, validate_parameters

__all__ = ["BrokenPlugin", "Origin", "Registry", "load_registry"]

_METHODS_HOOK = "radiolucent_register_methods"
_SEGMENTERS_HOOK = "radiolucent_register_segmenters"
_DISTRIBUTION = "radiolucent"


@dataclass(frozen=True)
class Origin:
    """Where a method or a segmenter comes from.

    Parameters
    ----------
    distribution : str
        The installed package.
    version : str
        Its version.
    """

    distribution: str
    version: str


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that could not be loaded, or something that it brings.

    Parameters
    ----------
    name : str
        Name of the entry point.
    distribution : str
        The installed package.
    reason : str
        Why, in words.
    """

    name: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """What can explain.

    Parameters
    ----------
    methods : mapping of str to Method
        The methods by name, in alphabetical order.
    origins : mapping of str to Origin
        Where each comes from.
    broken : tuple of BrokenPlugin
        What could not be loaded.
    segmenters : mapping of str to Segmenter
        What can tell where the lungs are, by name, in alphabetical order.
    segmenter_origins : mapping of str to Origin
        Where each of these comes from.
    """

    methods: Mapping[str, Method[Any]]
    origins: Mapping[str, Origin]
    broken: tuple[BrokenPlugin, ...]
    segmenters: Mapping[str, Segmenter] = field(default_factory=lambda: MappingProxyType({}))
    segmenter_origins: Mapping[str, Origin] = field(default_factory=lambda: MappingProxyType({}))

    def method(self, name: str) -> Method[Any]:
        """Return a method.

        Raises
        ------
        UnknownMethod
            If none has this name; the text lists those there are.
        """
        try:
            return self.methods[name]
        except KeyError:
            raise UnknownMethod(name, self.methods) from None

    def built_in(self, name: str) -> bool:
        """Whether a method is one of ours (or unknown), and not a third party's."""
        origin = self.origins.get(name)
        return origin is None or origin.distribution == _DISTRIBUTION

    def named(self, name: str) -> str:
        """Name a method in an error's text, with the package that brought it where it is not built in."""
        origin = self.origins.get(name)
        if origin is None or self.built_in(name):
            return f"the method {name!r}"
        return f"the method {name!r} of the package {origin.distribution} {origin.version}"

    def parameters(self, name: str, values: Mapping[str, Any]) -> Parameters:
        """Read a method's parameters from JSON values; what is absent takes its default.

        Raises
        ------
        UnknownMethod
            If no method has this name.
        InvalidParameters
            If a parameter does not exist or has a wrong value.
        """
        return validate_parameters(self.method(name), values)


def load_registry(entry_points: Iterable[metadata.EntryPoint] | None = None) -> Registry:
    """Load every installed plugin, one by one; a broken one is noted and harms no other.

    Parameters
    ----------
    entry_points : iterable of EntryPoint, optional
        The plugins; by default those that installed packages name in the group ``radiolucent.plugins``.

    Returns
    -------
    Registry
        The methods and what could not be loaded.
    """
    if entry_points is None:
        entry_points = metadata.entry_points(group=hookspec.ENTRY_POINT_GROUP)
    loader = _Loader()
    # Named in the group like anyone's, but loaded here: a checkout whose metadata is old or missing has them too, and
    # nobody takes their names.
    loader.add("builtin", Origin(_DISTRIBUTION, __version__), methods)
    for entry_point in sorted(entry_points, key=lambda point: (_origin(point).distribution, point.name)):
        if entry_point.value != methods.__name__:
            loader.load(entry_point)
    return loader.registry()


def _origin(entry_point: metadata.EntryPoint) -> Origin:
    distribution = entry_point.dist
    if distribution is None:
        return Origin("unknown", "unknown")
    return Origin(distribution.name or "unknown", distribution.version or "unknown")


class _Loader:
    def __init__(self) -> None:
        self._methods: dict[str, Method[Any]] = {}
        self._origins: dict[str, Origin] = {}
        self._segmenters: dict[str, Segmenter] = {}
        self._segmenter_origins: dict[str, Origin] = {}
        self._broken: list[BrokenPlugin] = []

    def load(self, entry_point: metadata.EntryPoint) -> None:
        origin = _origin(entry_point)
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
            self._note(entry_point.name, origin, f"cannot be imported: {_words(error)}")
            return
        self.add(entry_point.name, origin, plugin)

    def add(self, name: str, origin: Origin, plugin: object) -> None:
        offered: list[Method[Any]] = []
        segmenters: list[Segmenter] = []
        try:
            _check_version(plugin)
            _call_hooks(plugin, {_METHODS_HOOK: offered.append, _SEGMENTERS_HOOK: segmenters.append})
        except RegistrationError as error:
            self._note(name, origin, str(error))
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
            self._note(name, origin, f"its hook raised {_words(error)}")
            return
        refusals = [self._register(method, origin) for method in offered]
        refusals += [self._register_segmenter(segmenter, origin) for segmenter in segmenters]
        for refusal in filter(None, refusals):
            self._note(name, origin, refusal)

    def _register(self, method: Method[Any], origin: Origin) -> str | None:
        """Take a method in, or say why not."""
        refusal = _refusal(check_method, method, "method", self._origins)
        if refusal is None:
            self._methods[method.name] = method
            self._origins[method.name] = origin
        return refusal

    def _register_segmenter(self, segmenter: Segmenter, origin: Origin) -> str | None:
        refusal = _refusal(check_segmenter, segmenter, "segmenter", self._segmenter_origins)
        if refusal is None:
            self._segmenters[segmenter.name] = segmenter
            self._segmenter_origins[segmenter.name] = origin
        return refusal

    def _note(self, name: str, origin: Origin, reason: str) -> None:
        self._broken.append(BrokenPlugin(name, origin.distribution, reason))

    def registry(self) -> Registry:
        return Registry(
            MappingProxyType(dict(sorted(self._methods.items()))),
            MappingProxyType(dict(sorted(self._origins.items()))),
            tuple(self._broken),
            MappingProxyType(dict(sorted(self._segmenters.items()))),
            MappingProxyType(dict(sorted(self._segmenter_origins.items()))),
        )


def _refusal(
    check: Callable[[object], None], offered: Method[Any] | Segmenter, kind: str, taken: Mapping[str, Origin]
) -> str | None:
    """Say why something cannot be taken in; None where it can."""
    try:
        check(offered)
    except RegistrationError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
        return f"a {kind} cannot be examined: {_words(error)}"
    if offered.name in taken:
        return f"the {kind} name {offered.name!r} is taken by the package {taken[offered.name].distribution!r}"
    return None


def _check_version(plugin: object) -> None:
    version = getattr(plugin, "RADIOLUCENT_API_VERSION", None)
    if version is None:
        raise RegistrationError(f"does not say which contract it keeps; add RADIOLUCENT_API_VERSION = {API_VERSION}")
    if version != API_VERSION:
        raise RegistrationError(f"was made for version {version!r} of the contract; this is version {API_VERSION}")


def _call_hooks(plugin: object, registers: Mapping[str, Callable[[Any], None]]) -> None:
    # A manager of its own for each plugin: pluggy stops at the first that raises.
    manager = pluggy.PluginManager(hookspec.PROJECT)
    manager.add_hookspecs(hookspec)
    manager.register(plugin)
    manager.check_pending()
    brought = [name for name in registers if getattr(manager.hook, name).get_hookimpls()]
    if not brought:
        raise RegistrationError(f"has no hook; decorate {_METHODS_HOOK}(register) with @radiolucent.plugins.hookimpl")
    for name in brought:
        getattr(manager.hook, name)(register=registers[name])


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
