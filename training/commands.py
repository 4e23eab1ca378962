"""The commands export, import and phantoms; train has a file of its own.

Heavy imports are inside the functions, so that ``radiolucent --help`` stays quick.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .options import read_hierarchy
from .reporting import reported
from .train_command import RUNS, train

__all__ = ["export", "import_network", "phantoms", "train"]

_REPOSITORY = Path("model_repository")

RepositoryOption = Annotated[Path, typer.Option("--repository", help="Triton model repository.", file_okay=False)]


def phantoms(
    out: Annotated[Path, typer.Option("--out", help="Folder for images/, masks/ and manifest.csv.", file_okay=False)],
    count: Annotated[int, typer.Option("--count", min=1, help="How many phantoms.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other phantoms.")] = 0,
) -> None:
    """Draw chest phantoms: generated X-rays whose findings, and where they lie, are known exactly."""
    from rich.progress import track

    from .phantoms import write_phantoms

    with reported("The manifest is written at the end; run the same command again.") as console:
        for _ in track(write_phantoms(out, count, seed), "phantoms", total=count, console=console):
            pass
        console.print(f"{count} phantoms in {out}", highlight=False, soft_wrap=True)


def export(
    run: Annotated[
        Path | None,
        typer.Argument(help="Folder of a finished run; the newest below runs/ by default.", file_okay=False),
    ] = None,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Write a run's networks as new versions into the model repository and release them as a model set."""
    with reported("Nothing was released."):
        from ..handlers.repository import Repository
        from ..handlers.wording import NOT_EVALUATED
        from .display import TerminalProgress
        from .export import export_set
        from .exportable import EVALUATION, load_run
        from .guard import read_guard

        run = run or _newest_run()
        with TerminalProgress() as progress:
            loaded = load_run(run)
            done = [0]

            def proven(name: str) -> None:
                done[0] += 1
                progress.update("export", done[0], len(loaded.networks), name)

            progress.update("export", 0, len(loaded.networks))
            guard = read_guard(run)
            model_set = export_set(Repository(repository), loaded.networks, proven, loaded.facts, guard=guard)
        members = ", ".join(f"{name} {version}" for name, version in model_set.members.items())
        Console().print(f"Model set {model_set.version} in {repository}: {members}", highlight=False, soft_wrap=True)
        if guard is None:
            Console(stderr=True).print("No guard against X-rays unlike the training data: too few films, or an old run")
        if not loaded.evaluated:
            Console(stderr=True).print(
                f"[yellow]Not evaluated:[/] there is no {EVALUATION} in the run. Every card of this set says "
                f'"{NOT_EVALUATED}". Evaluate the run and export it again.',
                highlight=False,
                soft_wrap=True,
            )


def import_network(
    name: Annotated[str, typer.Option("--name", help="Name in the repository.")],
    labels: Annotated[str, typer.Option("--labels", help="Comma-separated, in the order of the logits.")],
    size: Annotated[int, typer.Option("--size", min=16, max=4096, help="Side of the square input, pixels.")],
    torchscript: Annotated[
        Path | None, typer.Option("--torchscript", help="TorchScript file: images to logits.", dir_okay=False)
    ] = None,
    timm_name: Annotated[str | None, typer.Option("--timm", help="Architecture, as timm names it.")] = None,
    state_dict: Annotated[
        Path | None, typer.Option("--state-dict", help="Its weights: .pt or .safetensors.", dir_okay=False)
    ] = None,
    channels: Annotated[int, typer.Option("--channels", min=1, max=16, help="Copies of the grey plane.")] = 1,
    mean: Annotated[float, typer.Option("--mean", help="Subtracted from brightness in 0..1.")] = 0.0,
    std: Annotated[float, typer.Option("--std", min=1e-6, help="Then divided by this.")] = 1.0,
    implies: Annotated[
        list[str] | None, typer.Option("--implies", help="CHILD=PARENT, repeated; the paper's by default.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="As shown to people; the name by default.")] = None,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Bring a network of your own into the model repository, to be served and explained on its own."""
    with reported("Nothing was written."):
        from ..datasets import check_implications, make_labels
        from ..handlers.card import InputSpec
        from ..handlers.repository import Repository
        from .importing import check_name, import_timm, import_torchscript

        if (torchscript is None) == (timm_name is None) or (timm_name is None) != (state_dict is None):
            raise typer.BadParameter("give either --torchscript FILE, or --timm ARCHITECTURE with --state-dict FILE")
        names = tuple(part.strip() for part in labels.split(",") if part.strip())
        if not names:
            raise typer.BadParameter("--labels names no label")
        if not (math.isfinite(mean) and math.isfinite(std)):
            raise typer.BadParameter("--mean and --std must be finite")
        check_name(name)
        hierarchy = read_hierarchy(implies)
        if implies:
            check_implications(names, hierarchy)
        made = make_labels(names, hierarchy)
        spec = InputSpec(size=size, channels=channels, mean=mean, std=std)
        target = Repository(repository)
        if torchscript is not None:
            card = import_torchscript(target, name, torchscript, labels=made, spec=spec, title=title)
        else:
            assert timm_name is not None  # noqa: S101 - for the type checker
            assert state_dict is not None  # noqa: S101
            card = import_timm(target, name, timm_name, state_dict, labels=made, spec=spec, title=title)
        form = "ONNX Runtime" if card.backend == "onnxruntime" else "the PyTorch backend"
        Console().print(
            f"{card.name} {card.version} in {repository}, served by {form}", highlight=False, soft_wrap=True
        )


def _newest_run() -> Path:
    """Return the run below `runs/` that was finished last."""
    finished = sorted(RUNS.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    if not finished:
        raise typer.BadParameter(f"there is no finished run below {RUNS}/: name one, or run `radiolucent train` first")
    return finished[-1].parent
