"""Fit a guard on a data set, measure it and other detectors; writes docs/evaluation/guard.json and its tables.

    python -m benchmarks.guard MANIFEST [--keep FILE]
    python -m benchmarks.guard --from-scores

--keep also leaves the guard itself, for a run that was trained before runs had one: FILE is RUN/guard.json.
--from-scores computes the numbers again from docs/evaluation/guard_scores.csv, without an X-ray.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Films = NDArray[np.float64]
Score: TypeAlias = Callable[[Films], Films]

FOLDER = Path(__file__).parents[1] / "docs" / "evaluation"
SCORES, RESULT, OTHERS, PAGE = (
    FOLDER / name for name in ("guard_scores.csv", "guard.json", "guard_others.json", "guard.md")
)


def main() -> None:
    """Measure, or compute again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, nargs="?")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--from-scores", action="store_true")
    asked = parser.parse_args()
    if (asked.manifest is None) != asked.from_scores:
        parser.error("give either MANIFEST or --from-scores")
    if asked.manifest is not None:
        measure(asked.manifest, asked.keep)
    write()


def measure(manifest: Path, keep: Path | None) -> None:
    """Fit on the training films, calibrate on the validation films, measure on the test films."""
    from radiolucent.datasets import read_data_set
    from radiolucent.evaluation.film_reading import read_each
    from radiolucent.evaluation.likeness import measure_guard, write_scores
    from radiolucent.handlers import XRay, preprocess
    from radiolucent.handlers.guard import GUARD_INPUT
    from radiolucent.training.guard import fit_guard
    from radiolucent.training.record import write_document

    data = read_data_set(manifest, pixels=False)

    def look(image: XRay) -> NDArray[np.float32]:
        return preprocess(image, GUARD_INPUT).tensor

    train, val = (np.stack(list(read_each(data.of(split), look))) for split in ("train", "val"))
    guard = fit_guard(train, val)
    if guard is None:
        sys.exit("too few films")
    if keep is not None:
        write_document(guard, keep)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_scores(measure_guard(guard, data.of("test"), _progress), SCORES)
    about = {"name": data.name, "checksum": data.checksum}
    OTHERS.write_text(json.dumps({"data": about, **compare(guard, train, data.of("val"))}, indent=1) + "\n", "utf-8")


def compare(guard: Any, train: NDArray[np.float32], films: Sequence[Any]) -> dict[str, Any]:  # noqa: ANN401
    """Compare detectors on the validation films, so that a choice among them does not see the test films."""
    from radiolucent.evaluation.film_reading import read_each
    from radiolucent.evaluation.likeness.changes import CHANGES
    from radiolucent.evaluation.likeness.strangers import STRANGERS, read_strangers
    from radiolucent.handlers import XRay, preprocess
    from radiolucent.handlers.guard import GUARD_INPUT
    from sklearn.metrics import roc_auc_score

    def small(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return preprocess(XRay(np.ascontiguousarray(pixels), "png"), GUARD_INPUT).tensor[0]

    def look(image: XRay) -> list[NDArray[np.float32]]:
        return [small(image.pixels), *(small(change(image.pixels)) for change in CHANGES.values())]

    seen = np.stack(list(read_each(films, look)))
    kinds = {kind: seen[:, index] for index, kind in enumerate(CHANGES, start=1)}
    kinds |= {kind: np.stack([small(image.pixels) for _, image in read_strangers(kind)]) for kind in STRANGERS}
    rows = {}
    for name, (score, keeps) in detectors(guard, train).items():
        usual = score(seen[:, 0])
        found = {}
        for kind, strange in kinds.items():
            truth = np.r_[np.zeros(len(usual)), np.ones(len(strange))]
            found[kind] = round(float(roc_auc_score(truth, np.r_[usual, score(strange)])), 3)
        rows[name] = {"keeps_films": keeps, "auroc": found}
    return {"films": len(films), "detectors": rows}


def detectors(guard: Any, train: NDArray[np.float32]) -> Mapping[str, tuple[Score, bool]]:  # noqa: ANN401
    """Return detectors that see the same ranks: how unlike each says films are, and whether it keeps the films."""
    from radiolucent.handlers.guard import ranks
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.svm import OneClassSVM

    def cells(films: NDArray[Any]) -> Films:
        return ranks(np.asarray(films, dtype=float).reshape(-1, 16, 16)).reshape(-1, 256)

    def gain(films: Films) -> Films:
        distances = guard.distances(films)
        return np.asarray(distances[:, 0] - distances[:, 1:].min(axis=1))

    known = cells(train)
    forest = IsolationForest(n_estimators=300, random_state=0).fit(known)
    local = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(known)
    one_class = OneClassSVM(nu=0.05, gamma="scale").fit(known)
    nearest = NearestNeighbors(n_neighbors=5).fit(known)
    return {
        "the guard": (guard.unlikeness, False),
        "its distance alone": (lambda films: guard.distances(films)[:, 0], False),
        "its gain alone": (gain, False),
        "isolation forest, 300 trees": (lambda films: -forest.score_samples(cells(films)), False),
        "local outlier factor, 20 neighbours": (lambda films: -local.score_samples(cells(films)), True),
        "one-class SVM, nu .05": (lambda films: -one_class.score_samples(cells(films)), True),
        "distance to 5 nearest films": (lambda films: nearest.kneighbors(cells(films))[0].mean(axis=1), True),
    }


def write() -> None:
    """Compute the numbers from the stored scores, and write the page."""
    from radiolucent.evaluation.likeness import guard_markdown, read_scores, score_guard
    from radiolucent.handlers.card import DataRecord

    others = json.loads(OTHERS.read_text(encoding="utf-8"))
    result = score_guard(read_scores(SCORES), DataRecord.model_validate(others["data"]))
    RESULT.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(guard_markdown(result), others, result.data.name), encoding="utf-8")
    sys.stdout.write(guard_markdown(result))


def page(tables: str, others: Mapping[str, Any], data: str) -> str:
    """Write the page around the tables."""
    detectors = others["detectors"]
    kinds = next(iter(detectors.values()))["auroc"]
    table = [
        f"| | {' | '.join(detectors)} |",
        f"|---|{'---|' * len(detectors)}",
        *(
            f"| {kind} | {' | '.join(f'''{one['auroc'][kind]:.3f}''' for one in detectors.values())} |"
            for kind in kinds
        ),
        f"| keeps the films | {' | '.join('yes' if one['keeps_films'] else 'no' for one in detectors.values())} |",
    ]
    return PAGE_TEXT.format(data=data, tables=tables, films=others["films"], others="\n".join(table))


PAGE_TEXT = """# Unlike the training data: the guard, measured

**Research use only. Not for diagnosis.** How it works, and what its answer means:
[model_sets.md](../model_sets.md#the-guard).

Fitted on the training films of `{data}`, calibrated on its validation films, and measured on its test films, on the
same films changed, and on pictures that scikit-image, scikit-learn, matplotlib and pydicom bring. Every number comes
from `guard_scores.csv` (`python -m benchmarks.guard --from-scores`), and that from `python -m benchmarks.guard
MANIFEST`. Intervals are of a bootstrap over patients; where nothing or everything is warned of, Wilson's for as many
independent patients.

{tables}
## How to read this

- A chest that is inverted, on its head or on its side is told nearly always. So is the MONOCHROME1 file among the
  originals: read as the standard says, its lungs are white.
- **A mirrored chest is mostly missed.** At 16 pixels its only sign is the shadow of the heart, which disease and
  position move too. Markers in the corner are not seen.
- **A close crop is mostly missed.** The middle of a chest is a chest. Networks that were trained on whole films need
  not judge it well.
- There are few pictures of other body parts, and none is an X-ray of one: packages bring no such files. Nothing is
  said here of lateral views, of children, or of hands and hips.
- False alarms are rarer than the one in twenty that the guard is calibrated to, within what chance allows. The guard
  is no detector of sources: every interval of the column at the right has .5 in it. But all these sources were in its
  training data. Films of another hospital may alarm more often; measure that there before you rely on it.
- That a film is like the training data does not say that its votes are right. A disease that no label names, on a
  film that lies as it should, raises no warning.
- Size, components and the floor under the variances were settled on the validation films, but after a first look that
  had the test films in view too: expect a little less on new data.

## Other detectors

AUROC on the {films} validation films, the same ranks of brightness for all:

{others}

Detectors that keep the training films, or parts of them, are no choice for a file that is passed on. An isolation
forest keeps single values only and tells crops better; like all the others it cannot tell a mirrored chest, and it
needs scikit-learn, and the same version of it, wherever Triton runs.
"""


def _progress(task: str, done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        sys.stderr.write(f"{task}: {done} of {total}\n")


if __name__ == "__main__":
    main()
