"""Which films an audit explains."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from radiolucent.datasets import Film
from radiolucent.evaluation.explanations.choosing import Marks, choose_films
from radiolucent.evaluation.explanations.truths import read_truths

LABELS = ("COVID-19", "Pneumonia", "No Finding")


def film(number: int, label: str, source: str = "NIH", group: str = "") -> Film:
    known = {name: name == label for name in LABELS}
    return Film(Path("nowhere"), f"{number:04}.png", 0, known, group or f"g{number}", source=source)


FILMS = [
    *(film(number, "Pneumonia", "NIH") for number in range(80)),
    *(film(number, "Pneumonia", "ieee8023/Eurorad") for number in range(80, 90)),
    *(film(number, "COVID-19", "ieee8023/Radiopaedia") for number in range(90, 130)),
    *(film(number, "No Finding", "NIH") for number in range(130, 160)),
]
BOXED = frozenset(one.file for one in FILMS[:20])
LUNGS = frozenset(one.file for one in FILMS[90:100])


def test_the_draw_depends_on_films_and_seed_and_not_on_their_order() -> None:
    marks = Marks(BOXED, LUNGS)
    assert choose_films(FILMS[::-1], LABELS, 30, 4, marks) == choose_films(FILMS, LABELS, 30, 4, marks)


def test_a_small_draw_is_the_beginning_of_a_large_one() -> None:
    marks = Marks(BOXED, LUNGS)
    large, small = (choose_films(FILMS, LABELS, count, 1, marks).films for count in (60, 20))
    assert large[:20] == small
    assert choose_films(FILMS, LABELS, 60, 2, marks).films != large


def test_every_third_film_has_boxes_and_the_others_come_from_each_kind_in_turn() -> None:
    chosen = choose_films(FILMS, LABELS, 36, 0, Marks(BOXED, LUNGS))
    assert sum(one.file in BOXED for one in chosen.films) == 12
    others = Counter((chosen.explained[one.file], one.main_source) for one in chosen.films if one.file not in BOXED)
    assert set(others.values()) == {6}
    assert len(others) == 4
    covid = [one for one in chosen.films if chosen.explained[one.file] == ("COVID-19",)]
    assert sum(one.file in LUNGS for one in covid) == 3
    assert "36 of 160 X-rays" in chosen.words
    assert "12 with boxes of disease" in chosen.words


def test_patients_come_once_before_one_comes_twice() -> None:
    films = [film(number, "Pneumonia", group=f"g{number % 10}") for number in range(40)]
    chosen = choose_films(films, LABELS, 12, 0, Marks()).films
    assert sorted(Counter(one.group for one in chosen).values()) == [1] * 8 + [2] * 2


def test_films_that_cannot_be_read_are_named_and_replaced() -> None:
    broken = choose_films(FILMS, LABELS, 1, 0, Marks()).films[0].file
    chosen = choose_films(FILMS, LABELS, 10, 0, Marks(), lambda one: "broken" * (one.file == broken))
    assert chosen.unreadable == ((broken, "broken"),)
    assert len(chosen.films) == 10


def test_only_labels_that_are_known_to_be_true_are_explained() -> None:
    unknown = Film(Path("nowhere"), "a.png", 0, {"COVID-19": True, "No Finding": False}, "g")
    nothing = Film(Path("nowhere"), "b.png", 0, {"COVID-19": False}, "h")
    chosen = choose_films([unknown, nothing], LABELS, None, 0, Marks())
    assert chosen.explained == {"a.png": ("COVID-19",)}
    assert choose_films([unknown], ["Pneumonia"], None, 0, Marks()).films == ()


def test_real_films_are_drawn_for_quality_and_for_localisation(shared: Path) -> None:
    from radiolucent.datasets import read_data_set

    manifest = shared / "data" / "cxr" / "manifest.csv"
    data_set = read_data_set(manifest, pixels=False)
    test = data_set.of("test")
    truths = read_truths(manifest, test)
    marks = Marks(truths.disease.keys(), truths.lungs.keys())
    assert sum(one.file in marks.boxed for one in test) == 27
    chosen = choose_films(test, [label.name for label in data_set.labels], 50, 0, marks)
    assert sum(one.file in marks.boxed for one in chosen.films) == 17
    assert sum(one.file in marks.lungs for one in chosen.films) >= 8
    assert len({one.group for one in chosen.films}) >= 45
    kinds = Counter(
        (chosen.explained[one.file], one.main_source) for one in chosen.films if one.file not in marks.boxed
    )
    assert sorted(kinds.values())[-5:] == [6, 6, 6, 6, 7] or max(kinds.values()) <= 7
