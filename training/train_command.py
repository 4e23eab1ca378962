"""The command train.

Heavy imports are inside the functions, so that ``radiolucent --help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from .options import changed, changes_of, choose_networks, choose_weights, read_hierarchy, split_commas
from .reporting import reported

if TYPE_CHECKING:
    from rich.table import Table

    from ..datasets import DataSet
    from .settings import RunSettings

__all__ = ["RUNS", "train"]

RUNS = Path("runs")
_PRESETS = ("standard", "paper", "demo")

SettingsOf = Callable[["DataSet", "str | None", int], "RunSettings"]

PerNetwork = list[str]
"""Values of an option: VALUE for all networks or NETWORK=VALUE, repeated."""


def train(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder of the run; runs/demo or runs/MANIFEST'S-FOLDER by default.", file_okay=False
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="CSV with columns file, labels, group_id, split; or another kind, see --kind."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="standard (default), paper (arXiv:2006.02570), or demo: chest phantoms, four minutes, no manifest.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of the images; the manifest's by default.", file_okay=False)
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="Kind of manifest; by default its columns tell.")] = "auto",
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only films of these sources; comma-separated or repeated.")
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--labels", help="Only these labels, and films that have one; comma-separated or repeated."),
    ] = None,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Leave out films whose licence forbids commercial use.")
    ] = False,
    resample: Annotated[
        str | None,
        typer.Option(
            "--resample",
            help="One run per fold: folds:5, draws:5 (60/40; the paper preset's default), sources, or none.",
        ),
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option("--split", help="A stored split, which wins over the manifest's (see data).", dir_okay=False),
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--networks", help="Only these; comma-separated or repeated.")
    ] = None,
    epochs: Annotated[
        PerNetwork | None, typer.Option("--epochs", help="Passes over the training films, or NETWORK=N, repeated.")
    ] = None,
    size: Annotated[
        PerNetwork | None, typer.Option("--size", help="Side of the input in pixels, or NETWORK=SIDE, repeated.")
    ] = None,
    batch: Annotated[PerNetwork | None, typer.Option("--batch", help="Films per step, or NETWORK=N, repeated.")] = None,
    learning_rate: Annotated[
        PerNetwork | None, typer.Option("--learning-rate", help="Peak, or NETWORK=RATE, repeated.")
    ] = None,
    patience: Annotated[
        PerNetwork | None,
        typer.Option(
            "--patience", help="Stop after N epochs without a better validation AUROC; null: never. Or NETWORK=N."
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            help="Where to start: none (standard's default), imagenet, a file (one network), NETWORK=FILE, or a "
            "folder of NETWORK.safetensors.",
        ),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option("--calibration", help="platt (standard's default), temperature or none.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of settings.json, such as augmentation.rotation=0; repeated."),
    ] = None,
    implies: Annotated[
        list[str] | None,
        typer.Option("--implies", help="Label hierarchy as CHILD=PARENT, repeated; the paper's by default."),
    ] = None,
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Keep rows whose label_check contradicts or doubts their labels.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits, weights, order and augmentation.")] = 0,
) -> None:
    """Train networks on X-rays or phantoms; run it again with the same --out to go on after Ctrl-C."""
    if preset not in (None, *_PRESETS):
        raise typer.BadParameter(f"there is no preset {preset!r}; there are: {', '.join(_PRESETS)}")
    if (preset == "demo") == (manifest is not None):
        raise typer.BadParameter("give either --manifest FILE or --preset demo")
    out = out or RUNS / ("demo" if manifest is None else manifest.resolve().parent.name)
    chosen = choose_networks(networks)
    starts = choose_weights(weights, chosen)
    per_network = {
        "epochs": epochs,
        "size": size,
        "batch": batch,
        "learning_rate": learning_rate,
        "patience": patience,
    }
    changes = [change for field, values in per_network.items() for change in changes_of(field, values, chosen)]
    changes += [("calibration", calibration)] if calibration is not None else []
    for item in setting or ():
        path, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {item!r} is not NAME=VALUE")
        changes.append((path, value))
    with reported(f"The same command goes on from there ({out})."):
        if manifest is None:
            if (
                changes
                or starts
                or source
                or labels
                or commercial_only
                or resample
                or split
                or implies
                or images
                or keep_doubtful
            ):
                raise typer.BadParameter("--preset demo takes --out, --networks and --seed alone")
            _train_demo(out, chosen, seed)
            return
        data, selection = _read(
            manifest,
            images,
            kind,
            implies,
            sources=split_commas(source),
            labels=split_commas(labels),
            commercial_only=commercial_only,
            keep_doubtful=keep_doubtful,
            split=split,
            seed=seed,
        )

        def settings(data: DataSet, fold: str | None, seed: int) -> RunSettings:
            from .data_record import record_of
            from .presets import paper_settings, standard_settings

            make = paper_settings if preset == "paper" else standard_settings
            made = make(record_of(data, commercial_only=commercial_only), data.labels, chosen, seed, starts)
            what = selection if fold is None else (*selection, f"{fold} of {plan}")
            return changed(made.model_copy(update={"selection": what}), changes)

        plan = resample or (_paper_draws() if preset == "paper" else "none")
        if plan == "none":
            _train_once(out, data, seed, settings)
        else:
            _train_folds(out, data, plan, seed, settings)


def _paper_draws() -> str:
    from .presets import PAPER_DRAWS

    return PAPER_DRAWS


def _train_demo(out: Path, networks: Sequence[str], seed: int) -> None:
    from ..handlers.card import DataRecord
    from .display import TerminalProgress, scores_table
    from .examples import PhantomExamples
    from .presets import demo_settings
    from .run import run_training

    examples = PhantomExamples(seed)
    data = DataRecord(name=examples.name, checksum=examples.checksum)
    with TerminalProgress() as progress:
        record = run_training(out, demo_settings(data, examples.labels, networks, seed), examples, progress)
    _show(scores_table(record))
    Console(stderr=True).print(f"Run in {out}. Next: radiolucent export {out}", highlight=False, soft_wrap=True)


def _read(
    manifest: Path,
    images: Path | None,
    kind: str,
    implies: list[str] | None,
    *,
    sources: Sequence[str],
    labels: Sequence[str],
    commercial_only: bool,
    keep_doubtful: bool,
    split: Path | None,
    seed: int,
) -> tuple[DataSet, tuple[str, ...]]:
    """Return the data set and, in words, what was taken of it."""
    from ..datasets import KINDS, check_implications, read_data_set, select
    from .display import TerminalProgress

    known = {name: name for name in KINDS}
    if kind not in known:
        raise typer.BadParameter(f"there is no kind {kind!r} of manifest; there are {', '.join(KINDS)}")
    hierarchy = read_hierarchy(implies)
    with TerminalProgress() as progress:
        data = read_data_set(
            manifest,
            images,
            kind=known[kind],
            implies=hierarchy,
            lone_labels=bool(labels),  # what was not asked for is not learnt
            keep_doubtful=keep_doubtful,
            commercial_only=commercial_only,
            split=split,
            seed=seed,
            progress=lambda done, total: progress.update("checks", done, total),
        )
    if sources or labels:
        data = select(data, sources=sources or None, labels=labels or None, implies=hierarchy)
    if implies:
        check_implications([label.name for label in data.labels], hierarchy)
    console = Console(stderr=True)
    for reason, count in data.left_out.items():
        console.print(f"{count} films left out: {reason}", highlight=False, soft_wrap=True)
    for warning in data.warnings:
        console.print("[yellow]Warning:[/]", end=" ")
        console.print(warning, markup=False, highlight=False, soft_wrap=True)
    selection = [f"source {name}" for name in sources] + [f"label {name}" for name in labels]
    selection += ["commercial use only"] if commercial_only else []
    selection += ["with doubtful labels"] if keep_doubtful else []
    return data, tuple(selection)


def _train_once(out: Path, data: DataSet, seed: int, settings: SettingsOf) -> None:
    """Train one run."""
    from ..datasets import SPLITS, PlanError
    from .display import TerminalProgress, scores_table
    from .examples import DataSetExamples
    from .run import run_training

    empty = [split for split in SPLITS if not data.of(split)]
    if empty:
        raise PlanError(
            f"{data.path}: of what was asked for, split {', '.join(empty)} has no film; --resample makes one"
        )
    with TerminalProgress() as progress:
        record = run_training(out, settings(data, None, seed), DataSetExamples(data), progress)
    _show(scores_table(record))
    _say_next(f"evaluate {out} --manifest {data.path}", f"export {out}")


def _train_folds(out: Path, data: DataSet, plan: str, seed: int, settings: SettingsOf) -> None:
    """Train a run for each fold of a plan."""
    from ..datasets import resample
    from .display import TerminalProgress, folds_table
    from .resampled import Folds, run_resampled

    parts = resample(data, plan, seed)
    folds = Folds(plan=plan, seed=seed, folds=tuple(parts))
    with TerminalProgress() as progress:
        records = run_resampled(out, folds, parts, settings, progress)
    _show(folds_table(records, plan))
    runs = " ".join(str(out / name) for name in records)
    _say_next(f"evaluate {runs} --manifest {data.path}")


def _show(table: Table) -> None:
    terminal = Console()
    Console(width=None if terminal.is_terminal else 200).print(table)


def _say_next(*commands: str) -> None:
    from ..handlers.card import INTENDED_USE

    lines = [
        f"{INTENDED_USE} These scores alone prove nothing: what the thumbnails reach, a network need not have learnt",
        "from the lungs. Next, for intervals and for whether the networks see more than where a film comes from:",
        *(f"  radiolucent {command}" for command in commands),
    ]
    Console(stderr=True).print("\n".join(lines), highlight=False, soft_wrap=True)
