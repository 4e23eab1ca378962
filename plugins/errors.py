"""What can go wrong with an explanation method."""


class PluginsError(Exception):
    """Base of the errors of this package."""


class Cancelled(PluginsError):
    """The job was cancelled; a method passes it on."""


class NotApplicable(PluginsError):
    """The method cannot be applied to this network or with these parameters; the text says why."""


class InvalidResult(PluginsError):
    """A method returned something other than the contract says; the text names what to mend."""


class RegistrationError(PluginsError):
    """A method cannot be registered; the text says why."""
