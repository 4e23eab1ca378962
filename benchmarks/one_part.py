"""One part, in a process of its own: ``python -m benchmarks.one_part NAME OUT`` with its context on standard input.

`__main__` starts it, so that no part finds the memory, the threads or the warm caches of another.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from .context import Context
from .document import keep
from .machine import machine, versions
from .parts import part

__all__ = ["main"]


def main() -> None:
    """Measure, and keep it in the document."""
    # A shell that runs this in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    name, out = sys.argv[1], Path(sys.argv[2])
    told = json.load(sys.stdin)
    chosen = part(name)

    def say(line: str) -> None:
        sys.stderr.write(f"{name}: {line}\n")
        sys.stderr.flush()

    context = Context(
        repository=Path(told["repository"]),
        films=tuple(map(Path, told["films"])),
        short=told["short"],
        threads=told["threads"],
        say=say,
    )
    started, day = time.monotonic(), datetime.now(timezone.utc).date().isoformat()
    try:
        measured = chosen.measure(context)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    films = f"{len(context.films)} {told['kind_of_films']}"
    entry = {
        "machine": machine(),
        "versions": versions(),
        "parameters": {"short": context.short, "threads": context.threads, "films": films},
        "measured_on": day,
        "seconds": round(time.monotonic() - started, 1),
        "measured": measured,
    }
    keep(out, name, entry)


if __name__ == "__main__":
    main()
