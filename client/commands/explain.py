"""The command ``radiolucent explain``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from ..aggregates import AGGREGATES
from ..document import Record, plain
from ..events import Classified, Event, ExplainedOutput, Failure, FailureReason, Heatmap, Summary
from ..job import JobState, Priority
from ..precision import Precision
from ..writing import ResultFolder
from .asked import (
    ALL,
    chosen_aggregates,
    chosen_measures,
    chosen_methods,
    chosen_models,
    chosen_targets,
    parse_settings,
)
from .doubts import doubtful, doubts
from .live import LiveJob
from .measured import measured_table, outside_lines
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json
from .planned import plan_document, plan_table, plan_total
from .votes import print_votes

__all__ = ["explain"]


def explain(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An X-ray: DICOM, PNG or JPEG.")],
    methods: Annotated[
        list[str] | None, typer.Option("--method", metavar="NAME|all", help="Repeatable.", show_default=ALL)
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME|all|chest_xray",
            help="Repeatable. chest_xray is the vote itself, for methods that perturb.",
            show_default=ALL,
        ),
    ] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="predicted|not_predicted|all|LABEL",
            help="Labels to explain; repeatable. Where nothing is predicted, the most probable label. not_predicted: "
            "those without a majority.",
            show_default="predicted",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="METHOD.PARAMETER=VALUE",
            help="A parameter of a method or a measure, for example occlusion.window=50; repeatable.",
        ),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            metavar="NAME|all",
            help="Also measure the quality of the networks' maps; repeatable.",
            show_default="none",
        ),
    ] = None,
    lung_mask: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Say how much of the evidence lies outside the lungs. An 8-bit grey PNG of the X-ray's size: 255 "
            "lung, 127 not known, 0 not lung.",
        ),
    ] = None,
    lung_segmenter: Annotated[
        str | None, typer.Option(metavar="NAME", help="The same, with the lungs that an installed segmenter finds.")
    ] = None,
    output: Annotated[
        Literal["logit", "probability", "votes"] | None,
        typer.Option(help="The number to explain.", show_default="logit; votes of chest_xray"),
    ] = None,
    aggregates: Annotated[
        list[str] | None,
        typer.Option(
            "--aggregate",
            metavar="|".join(AGGREGATES),
            help="Also make one map of those of all networks; repeatable.",
            show_default="none",
        ),
    ] = None,
    agreement_k: Annotated[
        int, typer.Option(min=0, help="Least number of networks that agree; 0: more than half.")
    ] = 0,
    agreement_top: Annotated[
        float,
        typer.Option(min=1e-6, max=1 - 1e-6, help="A network points at this share of its map's strongest pixels."),
    ] = 0.1,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial/--no-partial", help="Also receive maps that are still being computed; final ones are written."
        ),
    ] = True,
    folder: Annotated[
        Path | None,
        typer.Option("--out", file_okay=False, help="Write arrays, pictures and result.json to this folder."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds for everything together.", show_default="no limit")
    ] = None,
    reconnect: Annotated[
        bool,
        typer.Option(
            "--reconnect",
            help="Go on after a broken connection. The server then keeps the job until this command ends or stops it.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only classify, say what would be run and what it would cost; write nothing."),
    ] = False,
    priority: Annotated[
        Literal["interactive", "batch"],
        typer.Option(help="Whether somebody waits. Batch work leaves most of a busy server to interactive work."),
    ] = "interactive",
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="In which networks compute. bfloat16 is fast on some processors, and approximate."),
    ] = "float32",
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """Let the networks vote on an X-ray, and say why: heatmaps per network, label and method.

    --out writes DIR/MODEL/LABEL/METHOD.npz (attribution, heatmap) and .png, DIR/MODEL/input.npz and DIR/result.json;
    spaces in labels become _. The vote itself lies under DIR/chest_xray, and so do aggregates as METHOD.mean.npz and so
    on. What an earlier run wrote there is replaced. --json prints what result.json holds. After Ctrl-C the files
    written so far and result.json stay. Exit code 4: some maps failed, the others are there.
    """
    parse_settings(settings or [])  # before a server is started for nothing
    chosen = chosen_targets(targets or [])
    together = chosen_aggregates(aggregates or [], agreement_k, agreement_top)
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        networks = chosen_models(client, models or [ALL])
        measured = chosen_measures(client, measures or [], settings or [])
        asked: dict[str, Any] = {
            "methods": chosen_methods(client, methods or [ALL], settings or [], networks, measured),
            "models": networks,
            "targets": chosen,
            "output": None if output is None else ExplainedOutput(output),
            "aggregates": together,
            "priority": Priority(priority),
            "measures": measured,
            "lung_segmenter": lung_segmenter,
            "precision": Precision(precision),
        }
        told = plain(asked | {"lung_mask": None if lung_mask is None else str(lung_mask)})
        if dry_run:
            planned = client.plan(file, **asked, lung_mask=lung_mask, timeout=timeout)
            if as_json:
                print_json(plan_document(str(file), planned, asked=told))
            else:
                out().print(plan_table(str(file), planned), plan_total(planned))
            return
        job = _Job(file, folder, {"asked": told, "server": plain(client.server_info())})
        try:
            with (
                LiveJob(console) as live,
                client.explain(
                    file,
                    **asked,
                    lung_mask=lung_mask,
                    partial=partial,
                    attributions=folder is not None,
                    inputs=folder is not None,
                    timeout=timeout,
                    reconnect=reconnect,
                ) as stream,
            ):
                for event in stream:
                    job.take(event)
                    live.show(event)
        finally:
            document = job.finish()
    if as_json:
        print_json(document)
    else:
        job.print()
    if job.failed(forgive_not_applicable=ALL in (methods or [ALL])):
        raise typer.Exit(4)


class _Job:
    """What is kept of the events: the record, the files, and enough to end with."""

    def __init__(self, file: Path, folder: Path | None, also: dict[str, Any]) -> None:
        self._file = file
        self._also = also
        self._record = Record(str(file))
        self._folder = ResultFolder(folder, self._record) if folder is not None else None
        self._classified: Classified | None = None
        self._summary: Summary | None = None
        self._failures: list[Failure] = []
        self._maps = 0
        self._judged: list[Heatmap] = []
        self._doubtful: list[Heatmap] = []

    def take(self, event: Event) -> None:
        (self._folder or self._record).add(event)
        if isinstance(event, Classified):
            self._classified = event
        elif isinstance(event, Failure):
            self._failures.append(event)
        elif isinstance(event, Summary):
            self._summary = event
        elif isinstance(event, Heatmap):
            self._maps += event.final
            if event.final and (event.measurements or event.outside_lungs is not None):
                self._judged.append(replace(event, attribution=None))
            if event.final and doubtful(event):
                self._doubtful.append(replace(event, attribution=None))

    def finish(self) -> dict[str, Any]:
        """Write what there is, if the request was accepted at all."""
        if self._folder is not None and self._classified is not None:
            self._folder.finish(**self._also)
        return self._record.as_document(**self._also)

    def print(self) -> None:
        console = out()
        if self._classified is not None:
            print_votes(console, str(self._file), self._classified.classification)
        for line in doubts(self._doubtful):
            console.print(escape(line))
        if (table := measured_table(self._judged)) is not None:
            console.print(table)
        for line in outside_lines(self._judged):
            console.print(escape(line))
        where = f" in {self._folder.folder}" if self._folder is not None else ""
        console.print(escape(f"{self._maps} heatmaps{where}, {len(self._failures)} failures"))

    def failed(self, *, forgive_not_applicable: bool) -> bool:
        """Whether something that was asked for is missing; "all" asks for what is applicable."""
        forgiven = FailureReason.NOT_APPLICABLE if forgive_not_applicable else None
        missing = any(failure.reason is not forgiven for failure in self._failures)
        return missing or self._summary is None or self._summary.state is not JobState.DONE
