"""The ``radiolucent`` program: one command per entry point of the group ``radiolucent.commands``.

Exit codes: 0 all went well; 1 an error; 2 bad input or usage; 3 the server cannot be reached, cannot be started, is
busy or took too long; 4 part of the work failed and the rest is there; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import typer

from .errors import Busy, DeadlineExceeded, InvalidRequest, JobLost, NotFound, RadiolucentError, Unavailable
from .extras import commands, missing

__all__ = [
    "EXIT_ERROR",
    "EXIT_INPUT",
    "EXIT_INTERRUPTED",
    "EXIT_PARTLY",
    "EXIT_UNAVAILABLE",
    "build",
    "exit_code",
    "main",
]

EXIT_ERROR = 1
EXIT_INPUT = 2
EXIT_UNAVAILABLE = 3
EXIT_PARTLY = 4
EXIT_INTERRUPTED = 130

_HELP = """Chest X-ray classification served together with its reasons.

Research use only. Not for diagnosis.
"""
_EPILOG = (
    "Exit codes: 0 all went well, 1 an error, 2 bad input or usage, 3 server unavailable or too slow, "
    "4 part of the work failed, 130 stopped with Ctrl-C."
)


def exit_code(error: Exception) -> int:
    """Return the exit code that says what kind of error this is.

    Parameters
    ----------
    error : Exception
        Of this package, or from reading the user's files.

    Returns
    -------
    int
        As documented by the program's ``--help``.
    """
    if isinstance(error, (Unavailable, Busy, DeadlineExceeded, JobLost)):
        return EXIT_UNAVAILABLE
    if isinstance(error, (InvalidRequest, NotFound, OSError)):
        return EXIT_INPUT
    return EXIT_ERROR


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default: those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    build(commands(), arguments)(arguments, prog_name="radiolucent")


def build(points: Mapping[str, EntryPoint], arguments: Sequence[str] = ()) -> typer.Typer:
    """Make the program of its commands.

    Parameters
    ----------
    points : mapping of str to EntryPoint
        Commands by name.
    arguments : sequence of str
        If they name a command, no other is loaded, so that a command starts as fast as it can.

    Returns
    -------
    typer.Typer
        The program. A command whose extras are missing is not listed and says what to install; one that cannot be
        loaded says so, and the others work.
    """
    app = typer.Typer(name="radiolucent", no_args_is_help=True, add_completion=False, rich_markup_mode=None)
    app.callback(help=_HELP, epilog=_EPILOG)(_program)
    for name in arguments[:1] if arguments and arguments[0] in points else sorted(points):
        lacking = missing(points[name])
        if lacking:
            _refusing(app, name, _needs(points[name], lacking), hidden=True)
            continue
        try:
            function = points[name].load()
        except Exception as error:  # noqa: BLE001  - anybody's code
            _refusing(app, name, f"{name} cannot be loaded: {type(error).__name__}: {error}", hidden=False)
            continue
        app.command(name)(_reporting(function))
    return app


def _show_version(asked: bool) -> None:
    if asked:
        from .. import __version__

        typer.echo(f"radiolucent {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


def _needs(point: EntryPoint, lacking: tuple[str, ...]) -> str:
    name = point.dist.name if point.dist is not None else "radiolucent"
    return f"{point.name} needs: pip install '{name}[{','.join(point.extras)}]'  (missing: {', '.join(lacking)})"


def _refusing(app: typer.Typer, name: str, why: str, *, hidden: bool) -> None:
    def refuse() -> None:
        _complain(why)
        raise typer.Exit(EXIT_ERROR)

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, help=why, hidden=hidden, context_settings=settings)(refuse)


def _reporting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a command raises on purpose into one line and an exit code."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  - any command
        try:
            return function(*args, **kwargs)
        except RadiolucentError as error:
            _complain(str(error))
            raise typer.Exit(exit_code(error)) from None
        except OSError as error:
            _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(exit_code(error)) from None
        except KeyboardInterrupt:
            _complain("stopped")
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return run


def _complain(message: str) -> None:
    typer.secho("radiolucent: " + " ".join(message.split()), err=True, fg=typer.colors.RED)


if __name__ == "__main__":
    main()
