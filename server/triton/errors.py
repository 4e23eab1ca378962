"""What can go wrong between the gateway and Triton, as one small tree."""

from __future__ import annotations


class TritonError(Exception):
    """Base of everything that this package raises."""


class TritonUnavailable(TritonError):
    """Triton cannot be reached, is starting again, or serves no model set.

    The caller may try again later; nothing else ever answers in Triton's place.
    """


class TritonProcessDied(TritonUnavailable):
    """A process behind a Python model of Triton died; Triton has to be started again."""


class TritonCannotRun(TritonUnavailable):
    """The embedded Triton cannot run on this machine; the message says what to do instead.

    Parameters
    ----------
    problem
        What is missing, one sentence without the full stop.
    remedy
        What to do about it, one sentence without the full stop.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"The embedded Triton cannot run here: {problem}. {remedy}.")
        self.problem = problem
        self.remedy = remedy


class TritonStartFailed(TritonUnavailable):
    """The Triton process ended, or was not ready in time, while it started.

    Parameters
    ----------
    message
        What happened.
    log_tail
        The last lines of Triton's own log; for operators, never for callers.
    """

    def __init__(self, message: str, log_tail: str) -> None:
        super().__init__(f"{message}\n{log_tail}" if log_tail else message)
        self.log_tail = log_tail


class TritonOverloaded(TritonError):
    """As many requests as allowed already wait for Triton; try again later."""


class TritonTimeout(TritonError):
    """Triton did not answer within the time that the caller gave."""


class TritonRefusedImage(TritonError):
    """The ensemble's own preprocessing refused the image.

    Parameters
    ----------
    reason
        Value of a `handlers.errors.ImageProblem`, or empty.
    message
        What is wrong, safe to show.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TritonFailed(TritonError):
    """Triton answered with an error that is not the caller's fault; for logs, never for callers."""


class ModelNotLoaded(TritonError):
    """Triton could not load a model, or does not know it.

    Parameters
    ----------
    name
        The model.
    reason
        What Triton says.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class SetRefused(TritonError):
    """A model set, or a network outside of any, that is not served.

    Parameters
    ----------
    what
        Which one.
    reason
        Why not.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} is not served: {reason}")
        self.what = what
        self.reason = reason


class ModelControlForbidden(TritonError):
    """An external Triton does not let its clients load models."""


class NoModelSet(TritonUnavailable):
    """The repository holds no model set that can be served."""
