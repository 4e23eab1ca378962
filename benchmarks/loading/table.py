"""The stored figures of a run as Markdown: what `make load` prints, and what docs/reliability.md shows."""

from __future__ import annotations

from typing import Any

__all__ = ["table"]


def table(document: dict[str, Any]) -> str:
    """Write the figures of a run as Markdown."""
    run = document["run"]
    lines = [
        f"A run of {run['seconds']:.0f} s with {run['streams']} streams, at most {run['max_jobs']} jobs at a time, "
        f"{run['workers']} workers, {run['kills']} of which were killed (every {run['kill_every']:.0f} s until "
        f"{run['kills_until']:.0f} s); seed {run['seed']}. Networks: {', '.join(run['networks'])}. Machine: "
        + ", ".join(f"{name} {value}" for name, value in document["machine"].items())
        + ".",
        "",
        f"**{document['requests']} requests, {document['violations']} violations.** {document['final_maps']} final "
        f"maps, {document['returns']} returns to a job, {document['refusals']} times RESOURCE_EXHAUSTED (asked again).",
        "",
    ]
    lines += _listed(document)
    lines += ["| client | outcome | requests |", "|---|---|---|"]
    lines += [f"| {client} | {outcome} | {number} |" for client, outcome, number in document["outcomes"]]
    lines += ["", "| time, s | number | p50 | p95 | p99 |", "|---|---|---|---|---|"]
    times = {f"plain request: to the {name}": found for name, found in document["seconds"].items()}
    for name, found in (times | {"from a stop to the end of the job": document["stop_seconds"]}).items():
        cells = [f"{found[one]:.2f}" if one in found else "" for one in ("p50", "p95", "p99")]
        lines.append(f"| {name} | {found['number']} | {' | '.join(cells)} |")
    missing = ", ".join(f"{reason} {number}" for reason, number in document["failures"].items()) or "none"
    lines += ["", f"Maps that failed, by reason: {missing}.", "", *_checks(document), ""]
    lines += ["| process | from s | to s | own memory after warm-up, MiB | at the end | MiB/min | flat | resident |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for row in document["memory"]:
        slope = "" if row["slope_mib_min"] is None else f"{row['slope_mib_min']:+.1f}"
        flat = {True: "yes", False: "**no**", None: "too short"}[row["flat"]]
        lines.append(
            f"| {row['process']} | {row['from']} | {row['to']} | {row['start_mib']:.0f} | {row['end_mib']:.0f} "
            f"| {slope} | {flat} | {row['rss_end_mib']} |"
        )
    return "\n".join(lines)


def _listed(document: dict[str, Any]) -> list[str]:
    found = document["violations_listed"]
    return [*(f"- {one}" for one in found), ""] if found else []


def _checks(document: dict[str, Any]) -> list[str]:
    lines = ["| after the last request | found | as it must be |", "|---|---|---|"]
    for name, check in document["afterwards"].items():
        lines.append(f"| {name} | {check['found']} | {'yes' if check['good'] else '**no**'} |")
    return lines
