"""The films of the demo: what is known of a phantom's lesions is what was drawn."""

from pathlib import Path

import numpy as np
from radiolucent.datasets import read_data_set
from radiolucent.evaluation.demo.run import LESIONS
from radiolucent.evaluation.explanations.truths import read_truths
from radiolucent.training.phantoms import draw_phantom, write_phantoms

SEED = 3


def test_every_lesion_of_a_phantom_is_known_under_its_label_and_where_it_was_drawn(tmp_path: Path) -> None:
    assert len(list(write_phantoms(tmp_path, 20, SEED))) == 20
    data_set = read_data_set(tmp_path / "manifest.csv", pixels=False)
    truths = read_truths(data_set.path, data_set.films, lesions=LESIONS)
    assert truths.failed == ()
    assert set().union(*truths.disease.values()) == set(LESIONS.values())
    for number, film in enumerate(data_set.films):
        drawn, known = draw_phantom(SEED, number), truths.disease.get(film.file, {})
        assert set(known) == {LESIONS[value] for value in np.unique(drawn.lesions[drawn.lesions != 0]).tolist()}
        assert set(known) <= set(drawn.labels)
        for value, label in LESIONS.items():
            if label in known:
                assert abs(known[label].mean() - np.mean(drawn.lesions == value)) < 0.003
