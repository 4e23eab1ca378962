"""The commands train, export, import and phantoms.

Heavy imports are inside the functions, so that ``radiolucent --help`` stays quick.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ..handlers.card import DataRecord
    from .examples import Examples
    from .settings import RunSettings

__all__ = ["export", "import_network", "phantoms", "train"]

_REPOSITORY = Path("model_repository")
_RUNS = Path("runs")
_EXIT_INPUT = 2  # as the whole program documents its exit codes

RepositoryOption = Annotated[Path, typer.Option("--repository", help="Triton model repository.", file_okay=False)]


@contextmanager
def _reported(again: str = "") -> Iterator[Console]:
    """Turn what is expected to go wrong into one message, and Ctrl-C into a promise that holds."""
    from ..handlers.errors import HandlersError
    from .errors import Interrupted, TrainingError, WrongArgument

    console = Console(stderr=True)
    try:
        yield console
    except Interrupted as stop:
        console.print(f"[yellow]Stopped:[/] {stop}. {again}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        console.print(f"[yellow]Stopped.[/] {again}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except (TrainingError, HandlersError) as error:
        console.print("[red]Error:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_EXIT_INPUT if isinstance(error, WrongArgument) else 1) from None


def phantoms(
    out: Annotated[Path, typer.Option("--out", help="Folder for images/, masks/ and manifest.csv.", file_okay=False)],
    count: Annotated[int, typer.Option("--count", min=1, help="How many phantoms.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other phantoms.")] = 0,
) -> None:
    """Draw chest phantoms: generated X-rays whose findings, and where they lie, are known exactly."""
    from rich.progress import track

    from .phantoms import write_phantoms

    with _reported("The manifest is written at the end; run the same command again.") as console:
        for _ in track(write_phantoms(out, count, seed), "phantoms", total=count, console=console):
            pass
        console.print(f"{count} phantoms in {out}", highlight=False, soft_wrap=True)


def train(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder of the run; runs/demo or runs/MANIFEST'S-FOLDER by default.", file_okay=False
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="CSV with columns file, labels, group_id, split.", dir_okay=False)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="demo: chest phantoms, four minutes; takes --networks and --seed alone."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of the images; the manifest's by default.", file_okay=False)
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--networks", help="Only these; comma-separated or repeated.")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the training films.")] = 30,
    size: Annotated[
        int | None, typer.Option("--size", min=32, max=2048, help="Side of the input in pixels, all networks.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Films per step.")] = 16,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", min=1e-7, help="Peak; 1e-3 by default, 3e-4 from weights.")
    ] = None,
    weights: Annotated[
        str, typer.Option("--weights", help="Where to start: none, imagenet, or a file of weights (one network).")
    ] = "none",
    implies: Annotated[
        list[str] | None,
        typer.Option("--implies", help="Label hierarchy as CHILD=PARENT, repeated; the paper's by default."),
    ] = None,
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Keep rows whose label_check contradicts or doubts their labels.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights, order and augmentation.")] = 0,
) -> None:
    """Train networks on X-rays or phantoms; run it again with the same --out to go on after Ctrl-C."""
    if (manifest is None) == (preset is None):
        raise typer.BadParameter("give either --manifest FILE or --preset demo")
    if preset not in (None, "demo"):
        raise typer.BadParameter(f"there is no preset {preset!r}; there is: demo")
    out = out or _RUNS / (preset or (manifest or Path()).resolve().parent.name)
    with _reported(f"The same command goes on from there ({out})."):
        chosen = _chosen_networks(networks)
        if weights not in ("none", "imagenet") and len(chosen) != 1:
            raise typer.BadParameter("a file of weights is one network's: name it with --networks")
        if manifest is None:
            settings, examples = _demo(chosen, seed)
        else:
            from .labels import check_implications
            from .manifest import read_manifest
            from .settings import manifest_settings

            hierarchy = _hierarchy(implies)
            read = read_manifest(manifest, images, implies=hierarchy, keep_doubtful=keep_doubtful, seed=seed)
            if implies:
                check_implications([label.name for label in read.labels], hierarchy)
            if read.left_out:
                Console(stderr=True).print(f"{read.left_out} rows with doubtful labels left out (--keep-doubtful)")
            examples = read
            settings = manifest_settings(
                _data(read),
                read.labels,
                chosen,
                films=read.count("train"),
                epochs=epochs,
                size=size,
                batch=batch,
                learning_rate=learning_rate,
                weights=weights,
                seed=seed,
            )
        from .display import TerminalProgress, scores_table
        from .run import run_training

        with TerminalProgress() as progress:
            record = run_training(out, settings, examples, progress)
        terminal = Console()
        Console(width=None if terminal.is_terminal else 200).print(scores_table(record))
        Console(stderr=True).print(f"Run in {out}. Next: radiolucent export {out}", highlight=False, soft_wrap=True)


def export(
    run: Annotated[
        Path | None,
        typer.Argument(help="Folder of a finished run; the newest below runs/ by default.", file_okay=False),
    ] = None,
    repository: RepositoryOption = _REPOSITORY,
) -> None:
    """Write a run's networks as new versions into the model repository and release them as a model set."""
    with _reported("Nothing was released."):
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
    with _reported("Nothing was written."):
        from ..handlers.card import InputSpec
        from ..handlers.repository import Repository
        from .importing import check_name, import_timm, import_torchscript
        from .labels import check_implications, make_labels

        if (torchscript is None) == (timm_name is None) or (timm_name is None) != (state_dict is None):
            raise typer.BadParameter("give either --torchscript FILE, or --timm ARCHITECTURE with --state-dict FILE")
        names = tuple(part.strip() for part in labels.split(",") if part.strip())
        if not names:
            raise typer.BadParameter("--labels names no label")
        if not (math.isfinite(mean) and math.isfinite(std)):
            raise typer.BadParameter("--mean and --std must be finite")
        check_name(name)
        hierarchy = _hierarchy(implies)
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
    finished = sorted(_RUNS.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    if not finished:
        raise typer.BadParameter(f"there is no finished run below {_RUNS}/: name one, or run `radiolucent train` first")
    return finished[-1].parent


def _chosen_networks(networks: list[str] | None) -> tuple[str, ...]:
    from .networks import NETWORKS

    wanted = [part.strip() for item in networks or () for part in item.split(",") if part.strip()]
    unknown = [name for name in wanted if name not in NETWORKS]
    if unknown:
        raise typer.BadParameter(f"unknown networks {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    return tuple(name for name in NETWORKS if not wanted or name in wanted)


def _hierarchy(pairs: list[str] | None) -> Mapping[str, str]:
    from .labels import PAPER_HIERARCHY

    if pairs is None:
        return PAPER_HIERARCHY
    hierarchy: dict[str, str] = {}
    for pair in pairs:
        child, equals, parent = (part.strip() for part in pair.partition("="))
        if not (child and equals and parent):
            raise typer.BadParameter(f"--implies {pair!r} is not CHILD=PARENT")
        if hierarchy.setdefault(child, parent) != parent:
            raise typer.BadParameter(f"--implies gives {child!r} two parents, {hierarchy[child]!r} and {parent!r}")
    return hierarchy


def _data(examples: Examples) -> DataRecord:
    from ..handlers.card import DataRecord

    return DataRecord(name=examples.name, checksum=examples.checksum)


def _demo(networks: tuple[str, ...], seed: int) -> tuple[RunSettings, Examples]:
    from .examples import PhantomExamples
    from .settings import demo_settings

    examples = PhantomExamples(seed)
    return demo_settings(_data(examples), examples.labels, networks, seed), examples
