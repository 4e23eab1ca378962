"""Write the generated parts of the documentation: ``make docs``. A test proves them current."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from radiolucent.benchmarks.document import read
from radiolucent.benchmarks.loading.table import table
from radiolucent.benchmarks.page import told
from radiolucent.evaluation.explanations.report.overview import audit_overview
from radiolucent.evaluation.explanations.result import AuditResult
from radiolucent.evaluation.explanations.storing import is_audit
from radiolucent.evaluation.explanations.tables import AuditHead
from radiolucent.evaluation.report.overview import overview
from radiolucent.evaluation.result import EvaluationResult
from radiolucent.plugins import Parameters, load_registry
from radiolucent.plugins.measures import MEASURES, Measure
from radiolucent.server.settings import Settings

DOCS = Path(__file__).parent
_PART = "<!-- generated: {name} -->"
_END = "<!-- end -->"


def settings_table() -> str:
    """Every setting with its default and what it means."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        lines.append(f"| `{name}` | {f'`{default}`' if default else 'none'} | {_plain(field.description or '')} |")
    return "\n".join(lines)


def methods_table() -> str:
    """Every built-in method with what it needs and promises, and its parameters."""
    parts = []
    for name, method in sorted(load_registry().methods.items()):
        parts += [f"## {method.title}", "", f"`{name}`. {method.description}", ""]
        if (DOCS / "images" / "methods" / f"{name}.png").is_file():
            parts += [f"![{method.title} of a phantom](images/methods/{name}.png)", ""]
        parts += [f"*{method.reference}*", ""]
        needs = ", ".join(sorted(need.value for need in method.needs))
        sign = "signed" if method.signed else "unsigned"
        parts += [f"Needs: {needs}. Values: {sign}. Completeness: {method.completeness.value.replace('_', ' ')}.", ""]
        parts += _parameters(method.parameters)
    return "\n".join(parts).rstrip()


def measures_table() -> str:
    """Every measure with its numbers, its exact variant, its cost and its parameters."""
    parts = []
    for name, measure in MEASURES.items():
        parts += [f"## {measure.title}", "", f"`{name}`. {measure.description}", "", f"*{measure.reference}*", ""]
        parts += [
            f"Kind: {measure.family.value}.",
            "",
            f"Variant: {measure.variant}",
            "",
            f"Cost of one map, default parameters: {_cost(measure)}.",
            "",
        ]
        parts += ["| number | better | meaning |", "|---|---|---|"]
        parts += [f"| `{one.name}` | {one.better.value} | {_plain(one.description)} |" for one in measure.values]
        parts += ["", *_parameters(measure.parameters)]
    return "\n".join(parts).rstrip()


def _cost(measure: Measure[Any]) -> str:
    defaults = measure.parameters()
    fixed = measure.cost(defaults, (1, 224, 224), 0)
    runs = measure.cost(defaults, (1, 224, 224), 1) - fixed
    found = [f"{fixed} forward passes"] * bool(fixed) + [f"{runs} run{'s' * (runs > 1)} of the method"] * bool(runs)
    return " and ".join(found) or "nothing"


def _parameters(parameters: type[Parameters]) -> list[str]:
    properties = parameters.model_json_schema().get("properties", {})
    if not properties:
        return ["No parameters.", ""]
    lines = ["| parameter | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{key}` | `{schema.get('default')}` | {_plain(schema.get('description', ''))} |"
        for key, schema in properties.items()
    ]
    return [*lines, ""]


def alike_table() -> str:
    """Tell which methods' maps are most alike, as `make methods` found it."""
    found = json.loads((DOCS / "methods.json").read_text(encoding="utf-8"))
    on = f"{found['network']}, {found['input']} pixels"
    pairs = [f"- `{one}` and `{other}`: {value}" for one, other, value in found["pairs"]]
    return "\n".join(
        [
            f"Maps of the phantom that are most alike (Spearman's rank correlation, {on}):",
            "",
            *(pairs or ["- none above 0.9"]),
        ]
    )


def benchmarks_told() -> str:
    """Tell every part of the benchmarks, as `make bench` measured it."""
    return told(read(DOCS / "benchmarks.json"))


def reliability_table() -> str:
    """Tell what the last load test found, as `make load` stored it."""
    return table(json.loads((DOCS / "reliability.json").read_text(encoding="utf-8")))


def evaluations() -> str:
    """Tell the rows worth reporting of every committed evaluation."""
    folders = [DOCS / "evaluation" / name for name in EVALUATIONS]
    stored = [(folder / "evaluation.json").read_bytes() for folder in folders]
    return overview(
        {name: EvaluationResult.model_validate_json(one) for name, one in zip(EVALUATIONS, stored, strict=True)}
    )


def audits() -> str:
    """Tell the rows worth reporting of every committed audit of explanations."""
    told = []
    for tables in sorted((DOCS / "evaluation").glob("*/tables")):
        if is_audit(tables):
            result = AuditResult.model_validate_json((tables.parent / "audit_result.json").read_bytes())
            head = AuditHead.model_validate_json((tables / "audit.json").read_bytes())
            told.append(audit_overview(tables.parent.name, result, head))
    return "\n\n".join(told) or "No audit of these networks is committed yet."


EVALUATIONS = ("five-networks", "ieee8023-alone", "sources-left-out")
"""Folders below docs/evaluation, in the order in which they are told."""

GENERATED = {
    "benchmarks.md": {"benchmarks": benchmarks_told},
    "evaluation/README.md": {"evaluations": evaluations, "audits": audits},
    "serving.md": {"settings": settings_table},
    "measures.md": {"measures": measures_table},
    "methods.md": {"alike": alike_table, "methods": methods_table},
    "reliability.md": {"load": reliability_table},
}


def render(page: Path) -> str:
    """Return a page with its generated parts made anew."""
    text = page.read_text(encoding="utf-8")
    for name, write in GENERATED[str(page.relative_to(DOCS))].items():
        start = _PART.format(name=name)
        if text.count(start) != 1:
            raise ValueError(f"{page.name} has no part {name}, or several")
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n\n{write()}\n\n{_END}{rest.partition(_END)[2]}"
    return text


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    stale = []
    for name in GENERATED:
        page = DOCS / name
        fresh = render(page)
        if fresh != page.read_text(encoding="utf-8"):
            stale.append(name)
            page.write_text(fresh, encoding="utf-8")
    sys.stdout.write(f"written: {', '.join(stale) or 'nothing, all is current'}\n")
