"""Measure what explanations cost, part by part, each in a fresh process: ``make bench``.

    python -m benchmarks [--part NAME ...] [--short] [--repository FOLDER] [--film FILE ...] [--threads N] [--out FILE]

What a part measures is put into the document as soon as the part is done; one that is interrupted or fails keeps what
was there. `docs/generate.py` makes docs/benchmarks.md of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .document import read
from .page import told
from .parts import NAMES

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.json"
SHORT_DOCUMENT = Path("build/bench/benchmarks.json")
DEMO = Path("build/demo/model_repository")
PHANTOMS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts asked for, one after another; print them, and return the exit code."""
    asked = _asked(arguments)
    if not any(asked.repository.glob("*/*/model.pt")):
        sys.stderr.write(
            f"there is no model set in {asked.repository}: `make demo` trains one on phantoms (some minutes); or name "
            "your own, as make bench REPOSITORY=FOLDER\n"
        )
        return 2
    # Also then the part is stopped, and waited for; and a shell that runs this in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    failed, done = [], []
    with tempfile.TemporaryDirectory(prefix="radiolucent-bench-") as scratch:
        films = asked.film or _draw_phantoms(Path(scratch))
        context = {
            "repository": str(asked.repository.resolve()),
            "films": [str(film.resolve()) for film in films],
            "kind_of_films": "X-rays" if asked.film else "drawn phantoms",
            "short": asked.short,
            "threads": asked.threads,
        }
        try:
            for name in asked.part:
                sys.stderr.write(f"{name}: begins\n")
                code = _run(name, asked.out, json.dumps(context), asked.threads)
                (failed if code else done).append(name)
        except KeyboardInterrupt:
            sys.stderr.write(f"interrupted; {asked.out} has: {', '.join(done) or 'nothing new'}\n")
            return 128 + signal.SIGINT
    print(told(read(asked.out), done))
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", action="extend", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--short", action="store_true", help="ten minutes for all parts, of fewer networks")
    parser.add_argument("--repository", type=Path, default=DEMO, help="a model set; default: the demo's")
    parser.add_argument("--film", type=Path, nargs="+", action="extend", help="X-rays; default: phantoms are drawn")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument(
        "--out", type=Path, help=f"default: docs/{DOCUMENT.name}; of a short run {SHORT_DOCUMENT}, which nobody reads"
    )
    asked = parser.parse_args(arguments)
    if asked.threads < 1:
        parser.error("--threads must be at least 1")
    # Now, not when hours of measuring are to be kept.
    for film in asked.film or ():
        if problem := _problem_with_film(film):
            parser.error(problem)
    asked.part = list(dict.fromkeys(asked.part or NAMES))
    asked.out = (asked.out or (SHORT_DOCUMENT if asked.short else DOCUMENT)).resolve()
    try:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        read(asked.out)
    except (OSError, ValueError) as error:
        parser.error(f"{asked.out} is no document of benchmarks: {error}")
    return asked


def _problem_with_film(film: Path) -> str | None:
    from radiolucent.handlers.decode import decode
    from radiolucent.handlers.errors import ImageError

    if not film.is_file():
        return f"there is no film {film}"
    try:
        decode(film.read_bytes())
    except ImageError as error:
        return f"{film} cannot be used: {error}"
    return None


def _draw_phantoms(folder: Path) -> list[Path]:
    """Draw phantoms with a lesion, as 8-bit PNGs."""
    import numpy as np
    from PIL import Image
    from radiolucent.training.examples import PhantomExamples

    drawn = (PhantomExamples(0).load("test", index) for index in range(50))
    films = [film for film, known in drawn if known["Pneumonia"]][:PHANTOMS]
    files = [folder / f"phantom_{number}.png" for number in range(len(films))]
    for file, film in zip(files, films, strict=True):
        Image.fromarray(np.uint8(np.rint(film.pixels * 255))).save(file)
    return files


def _run(name: str, out: Path, context: str, threads: int) -> int:
    """Run a part in a fresh process; return its exit code. Interrupted, it is interrupted too, and waited for."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    process = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", f"{__package__}.one_part", name, str(out)],
        stdin=subprocess.PIPE,
        env=environment,
        text=True,
        # A session of its own: Ctrl-C at a terminal reaches it, and what it started, through us and once.
        start_new_session=True,
    )
    try:
        process.communicate(context)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
