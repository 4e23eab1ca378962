"""The report of an audit: everything in it, nothing beside it, the same bytes every time."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.evaluation.explanations.auditing import find
from radiolucent.evaluation.explanations.pictures import Pictures
from radiolucent.evaluation.explanations.report import compose, illustrate
from radiolucent.evaluation.explanations.report.choosing import failures_of, false_alarms_of, shown
from radiolucent.evaluation.explanations.report.mistake_section import mistakes
from radiolucent.evaluation.explanations.report.overlays import LONGEST_MAP, overlay_uri
from radiolucent.evaluation.explanations.report.overview import audit_overview
from radiolucent.evaluation.explanations.result import AuditResult
from radiolucent.evaluation.explanations.tables import AuditTables
from radiolucent.evaluation.explanations.writing import write_audit
from radiolucent.evaluation.report.document import Figure, GridFigure, Report, Section, Table
from radiolucent.handlers import INTENDED_USE
from radiolucent.plugins.measures import Better

Make = Callable[..., AuditTables]
EXTRA = Section("Profiles of the networks", ("They were made elsewhere.",))


@pytest.fixture(scope="module")
def tables(make_tables: Make, in_order: dict[str, float], lose: Callable[..., AuditTables]) -> AuditTables:
    whole = make_tables(films=36, quality=in_order)
    return lose(whole, lambda r: (r.network, r.method) == ("inception_v3", "guided_backprop"))


@pytest.fixture(scope="module")
def written(tables: AuditTables, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit")
    write_audit(tables, out, pictures, extra_sections=(EXTRA,), resamples=100)
    return out


@pytest.fixture(scope="module")
def report(tables: AuditTables, pictures: Pictures) -> Report:
    return compose(find(tables, resamples=100), tables.head, illustrate(tables.head, pictures), (EXTRA,))


def test_the_same_tables_give_the_same_bytes(
    tables: AuditTables, pictures: Pictures, written: Path, tmp_path: Path
) -> None:
    write_audit(tables, tmp_path, pictures, extra_sections=(EXTRA,), resamples=100)
    names = sorted(path.name for path in written.iterdir())
    assert names == ["audit.md", "audit_result.json", "report.html"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_a_lower_precision_stands_with_the_verdicts(tables: AuditTables) -> None:
    reduced = replace(tables, head=tables.head.model_copy(update={"precision": "Networks computed in bfloat16."}))
    report = compose(find(reduced, resamples=100), reduced.head)
    assert "Networks computed in bfloat16." in report.verdicts


def test_a_vote_among_the_scores_is_told_from_the_networks(tables: AuditTables) -> None:
    def words(scores: dict[str, dict[str, float]]) -> str:
        found = replace(tables, head=tables.head.model_copy(update={"scores": scores}))
        report = compose(find(found, resamples=100), found.head)
        items = (item for section in report.sections for item in section.items)
        return next(item.note for item in items if isinstance(item, Table) and "scores" in item.title)

    scores = dict(tables.head.scores)
    assert "Majority" not in words(scores)
    assert "Majority: the networks' vote" in words(scores | {"majority": {"micro_f1": 0.9}})


def test_the_result_reads_back(written: Path, tables: AuditTables) -> None:
    read = AuditResult.model_validate_json((written / "audit_result.json").read_bytes())
    assert read == find(tables, resamples=100)


def test_the_page_holds_every_section_figure_and_table(written: Path, report: Report) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    markdown = (written / "audit.md").read_text(encoding="utf-8")
    assert EXTRA in report.sections
    for section in report.sections:
        assert f"<h2>{section.title}</h2>".replace("'", "&#39;") in page
        assert (f"## {section.title}" in markdown) != bool(section.ramps)
        for item in section.items:
            assert item.title.replace("'", "&#39;") in page
    families = {
        "Faithfulness",
        "Robustness",
        "Complexity",
        "Randomisation",
        "Cost",
        "Localisation",
        "Lungs",
        "Agreement",
    }
    assert families <= {section.title.split(":")[0].split(" (")[0] for section in report.sections}


def test_the_page_needs_nothing_beside_it_and_is_well_formed(written: Path) -> None:
    open_tags: list[str] = []
    links: list[str] = []
    images: list[dict[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "img", "br", "input"}:
                open_tags.append(tag)
            if tag == "img" or dict(attrs).get("role") == "img":
                images.append(dict(attrs))
            links.extend(value or "" for name, value in attrs if name in {"src", "href"})

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    page = (written / "report.html").read_text(encoding="utf-8")
    Reader().feed(page)
    assert open_tags == []
    assert links
    assert all(link.startswith("data:image/") or re.fullmatch(r"#(film|missed)-\d+(-boxes)?", link) for link in links)
    assert "url(" not in page
    assert "@import" not in page
    assert all(image.get("alt") or image.get("aria-label") for image in images)
    assert len(page) < 4_000_000


def test_the_verdict_on_shortcuts_comes_first(written: Path, tables: AuditTables) -> None:
    for name in ("report.html", "audit.md"):
        text = (written / name).read_text(encoding="utf-8")
        assert text.count(INTENDED_USE) == 2
        assert text.index(INTENDED_USE) < text.index(tables.head.shortcut_verdict) < text.index("Does the paper")


def test_a_set_that_was_never_audited_for_shortcuts_is_told_so(make_tables: Make) -> None:
    tables = make_tables(films=36, verdict="")
    assert "not audited" in compose(find(tables, resamples=50), tables.head).verdict


def test_where_nothing_can_be_estimated_one_row_says_so(make_tables: Make) -> None:
    tables = make_tables(films=9)
    sections = compose(find(tables, resamples=50), tables.head).sections
    wanted = {"Faithfulness", "Localisation", "Lungs"}
    found = [section for section in sections if section.title.split(":")[0] in wanted]
    assert len(found) == 3
    told = [
        item for section in found for item in section.items if isinstance(item, Table) and "Published" not in item.title
    ]
    assert all(len(table.rows) == 1 and table.rows[0][0] == "not estimable" for table in told)


def test_maps_lie_over_the_film_where_the_affine_says(report: Report, pictures: Pictures) -> None:
    grids = [item for section in report.sections for item in section.items if isinstance(item, GridFigure)]
    grid = next(one for one in grids if one.name == "film-1")
    file = re.search(r"\((.*)\)", grid.title)
    assert file is not None
    film, found = pictures.film(file[1]), pictures.map(file[1], "resnet18", "saliency", "COVID-19")
    assert film is not None
    assert found is not None
    values, affine = found
    cell = grid.rows[0][2][1]
    assert (grid.height, grid.width) == film.shape
    assert affine.to_original(0, 0) == (cell.x, cell.y)
    assert affine.to_original(*values.shape[::-1]) == pytest.approx((cell.x + cell.width, cell.y + cell.height))


def test_a_map_that_is_missing_is_told_in_the_grid(report: Report, written: Path) -> None:
    grids = [item for section in report.sections for item in section.items if isinstance(item, GridFigure)]
    empty = [cell for grid in grids for *_, cells in grid.rows for cell in cells if not cell.overlay]
    assert empty
    assert all("No map: Guided backprop of inception_v3" in cell.alt for cell in empty)
    assert "What is missing" in (written / "audit.md").read_text(encoding="utf-8")


def test_without_pictures_the_page_shows_no_film_and_the_rest_is_the_same(
    tables: AuditTables, written: Path, tmp_path: Path
) -> None:
    write_audit(tables, tmp_path, None, extra_sections=(EXTRA,), resamples=100)
    for name in ("audit.md", "audit_result.json"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "image/webp" not in page
    assert 'type="range"' not in page
    assert "no X-ray and no map is in it" in page


def test_marked_disease_is_outlined_over_every_map_of_its_label_and_can_be_taken_away(
    report: Report, written: Path
) -> None:
    grids = [item for section in report.sections for item in section.items if isinstance(item, GridFigure)]
    assert {grid.boxes for grid in grids if "Pneumonia" in grid.title} == {((40, 90, 60, 80),)}
    assert {grid.boxes for grid in grids if "Pneumonia" not in grid.title} == {()}
    page = (written / "report.html").read_text(encoding="utf-8")
    one = next(grid for grid in grids if grid.boxes)
    drawn = sum(1 + sum(bool(cell.overlay) for cell in cells) for *_, cells in one.rows)
    assert page.count(f'href="#{one.name}-boxes"') == drawn
    assert page.count('type="checkbox"') == sum(
        any(isinstance(item, GridFigure) and item.boxes for item in section.items) for section in report.sections
    )


def test_false_alarms_are_told_but_for_labels_that_a_true_one_implies(tables: AuditTables, report: Report) -> None:
    covid, healthy = tables.head.films[0], tables.head.films[2]
    assert (covid.known["COVID-19"], healthy.known["No Finding"]) == (True, True)
    films = (
        covid.model_copy(
            update={"known": covid.known | {"Pneumonia": False}, "called": {"densenet161": ("COVID-19", "Pneumonia")}}
        ),
        healthy.model_copy(update={"called": {"densenet161": ("COVID-19",)}}),
    )
    head = tables.head.model_copy(update={"films": films})
    assert false_alarms_of(head, "densenet161") == ((films[1], "COVID-19"),)
    (section,) = [one for one in report.sections if one.title.startswith("What the best network says wrongly")]
    assert [item.title for item in section.items] == [
        "True labels that it misses",
        "False alarms: labels that it says too many",
    ]


def test_numbers_behind_another_are_folded(tables: AuditTables) -> None:
    (above,) = [one for one in tables.head.quantities if one.name == "deletion.above_random"]
    behind = above.model_copy(update={"name": "deletion.auc", "title": "Deletion: auc", "better": Better.NEITHER})
    rows = [replace(row, quantity=behind.name) for row in tables.measured if row.quantity == above.name]
    head = tables.head.model_copy(update={"quantities": (*tables.head.quantities, behind)})
    more = replace(tables, head=head, measured=(*tables.measured, *rows))
    sections = compose(find(more, resamples=50), head).sections
    folded = {item.title: item.folded for section in sections for item in section.items if isinstance(item, Table)}
    assert folded["Deletion: auc (not ranked)"]
    assert not folded["Deletion: above random (higher is better)"]
    assert not folded["Smooth mprt: distance (higher is better)"], "a family that is not ranked has one number to show"


def test_the_overview_has_the_means_and_ranks_of_methods_and_networks(tables: AuditTables) -> None:
    result = find(tables, resamples=50)
    text = audit_overview("maps", result, tables.head)
    for ranking in result.rankings:
        if ranking.quantity == "deletion.above_random":
            place = ranking.places[0]
            assert f"{place.mean.value:.3f} ({place.mean.low:.3f} to {place.mean.high:.3f}); 1 (" in text
    (of_methods,) = [one for one in result.unranked if (one.quantity, one.of) == ("smooth_mprt.distance", "methods")]
    assert f"| {of_methods.means['occlusion'].value:.3f} (" in text
    assert "](maps/audit.md)" in text
    assert "method occlusion 75 %" in text
    assert tables.head.shortcut_verdict in text
    assert len(text.splitlines()) < 90


def test_a_signed_map_is_see_through_at_zero_and_has_two_colours() -> None:
    values = np.zeros((4, 4), dtype=np.float32)
    values[0, 0], values[3, 3] = 1.0, -1.0
    picture = Image.open(BytesIO(base64.b64decode(overlay_uri(values, signed=True).split(",")[1]))).convert("RGBA")
    strongest, weakest, nothing = (picture.getpixel(place) for place in ((0, 0), (3, 3), (1, 1)))
    assert strongest[0] > strongest[2]  # orange: for
    assert weakest[2] > weakest[0]  # blue: against
    assert nothing[3] == 0


def test_large_maps_are_made_small() -> None:
    uri = overlay_uri(np.random.default_rng(0).random((512, 512), dtype=np.float32), signed=False)
    assert max(Image.open(BytesIO(base64.b64decode(uri.split(",")[1]))).size) <= LONGEST_MAP


def test_films_are_shown_by_rule(tables: AuditTables) -> None:
    cases = shown(tables.head, ())
    assert len(cases) == 6
    of_covid = [film.probabilities["mean"]["COVID-19"] for film in tables.head.films if film.known["COVID-19"]]
    assert [film.probabilities["mean"]["COVID-19"] for film, label in cases if label == "COVID-19"] == [
        max(of_covid),
        min(of_covid),
    ]
    asked = tables.head.films[4]
    assert [film.file for film, _ in shown(tables.head, [asked.file])] == [asked.file] * len(asked.explained)


def test_failure_cases_are_true_labels_that_are_missed(tables: AuditTables) -> None:
    missed = failures_of(tables.head, "densenet161")
    assert missed
    assert all(film.known[label] and label not in film.called["densenet161"] for film, label in missed)
    probabilities = [film.probabilities["densenet161"][label] for film, label in missed]
    assert probabilities == sorted(probabilities)


def test_a_film_that_no_network_answered_is_no_mistake(tables: AuditTables) -> None:
    refused = tables.head.films[0].model_copy(update={"file": "refused.png", "called": {}, "probabilities": {}})
    more = tables.head.model_copy(update={"films": (*tables.head.films, refused)})
    assert failures_of(more, "densenet161") == failures_of(tables.head, "densenet161")
    assert mistakes(more) == mistakes(tables.head)


def test_no_score_stands_without_its_words(report: Report) -> None:
    items = [item for section in report.sections for item in section.items]
    assert all(item.alt and item.note for item in items if isinstance(item, Figure))
    ranks = [item for item in items if isinstance(item, Table) and item.title.startswith("Ranks of the networks")]
    assert [table.rows[0][0] for table in ranks] == ["score: micro-F1 of the cards"]
