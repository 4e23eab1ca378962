"""The command `radiolucent serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .owner import Owner
    from .settings import Settings

__all__ = ["serve"]

# As the whole program documents its exit codes.
_EXIT_INPUT = 2
_EXIT_CANNOT_START = 3


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.", show_default="50051")
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Folder of the model repository.", show_default="./model_repository")
    ] = None,
    triton: Annotated[
        str | None, typer.Option(help="External Triton, grpc://host:port.", show_default="an embedded one")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Explanation workers.", show_default="half as many as processor cores")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Settings as TOML; arguments win.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="When calls are answered, write address and process id here, as JSON.")
    ] = None,
    owner_folder: Annotated[
        Path | None,
        typer.Option(hidden=True, help="Stop when standard input ends: its other end is the owner's, and so is this."),
    ] = None,
) -> None:
    """Serve classifications and explanations over gRPC, until Ctrl-C, SIGTERM or a closed terminal (but for nohup).

    Settings that have no option here are in RADIOLUCENT_* variables or the TOML file.
    Research use only. Not for diagnosis.
    """
    import asyncio
    from contextlib import ExitStack

    from pydantic import ValidationError

    from .logs import configure_logs
    from .owner import Owner
    from .settings import load_settings

    try:
        settings = load_settings(config, host=host, port=port, repository=repository, triton=triton, workers=workers)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)
        )
        raise _failed(f"The settings are wrong: {problems}.", _EXIT_INPUT) from None
    except (OSError, ValueError) as error:
        raise _failed(f"{config} cannot be read: {error}.", _EXIT_INPUT) from None
    configure_logs(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        owner = stack.enter_context(Owner(owner_folder)) if owner_folder is not None else None
        message = asyncio.run(_serve(settings, ready_file, owner))
    if message:
        raise _failed(message, _EXIT_CANNOT_START)


async def _serve(settings: Settings, ready_file: Path | None, owner: Owner | None) -> str:
    """Serve until a signal comes or the owner is gone; returns why it cannot start, or nothing."""
    import asyncio

    from .errors import CannotServe
    from .gateway import Gateway
    from .triton.errors import NoModelSet, TritonError

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if owner is not None:
        owner.watch(loop, stop.set)
    signals = _ending_signals()
    gateway = Gateway(settings)
    starting = asyncio.ensure_future(gateway.start())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        # A signal counts while it starts, too. Ray, when it starts, puts a handler of its own in place, which prints
        # the stack and aborts: ours goes back over it.
        while not starting.done() and not stopping.done():
            _stop_on(signals, loop, stop.set)
            await asyncio.wait({starting, stopping}, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        _stop_on(signals, loop, stop.set)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return ""
        starting.result()
    except CannotServe as error:
        return str(error)
    except NoModelSet as error:
        return f"{error}. Make a model set with `radiolucent export`, or `radiolucent demo`."
    except TritonError as error:
        return str(error)
    finally:
        if starting.cancelled() or starting.exception() is not None:
            stopping.cancel()
    try:
        if ready_file is not None:
            _write_ready_file(ready_file, gateway.address)
        version = gateway.triton.status()
        number = version.model_set.model_set.version if version.model_set else "none"
        typer.echo(f"Serving model set {number} on {gateway.address}. Research use only. Not for diagnosis.")
        while not stopping.done():  # a Ray that is started again puts its handlers in place again
            _stop_on(signals, loop, stop.set)
            await asyncio.wait({stopping}, timeout=0.5)
        typer.echo("Stopping.", err=True)
        _stop_on(signals, loop, gateway.hurry)  # whoever asks twice does not want to wait
    finally:
        await gateway.stop()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    return ""


def _ending_signals() -> list[int]:
    """List the signals that end the server: also that of a terminal that is closed, unless nohup has it ignored."""
    import signal

    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hangs_up else [])]


def _stop_on(signals: list[int], loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    for signum in signals:
        loop.add_signal_handler(signum, stop)


def _write_ready_file(path: Path, address: str) -> None:
    """Write it beside, then rename: who waits for it never reads half of it."""
    import json
    import os

    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps({"address": address, "pid": os.getpid()}) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def _failed(message: str, code: int) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)
