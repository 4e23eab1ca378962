import numpy as np
import pytest
from radiolucent.evaluation.localisation import average_mask, on_input_grid, pointing


def test_a_mask_lands_where_the_input_shows_it() -> None:
    mask = np.zeros((40, 80), dtype=np.uint8)
    mask[10:20, 40:60] = 160
    on_grid, inside = on_input_grid(mask, 40)
    # 80 columns become 40, 40 rows become 20 between rows 10 and 30 of the square
    assert inside[10:30].all()
    assert not inside[:10].any()
    assert not inside[30:].any()
    rows, columns = np.nonzero(on_grid)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 19, 20, 29)


def test_a_perfect_map_scores_one_and_a_constant_map_its_area() -> None:
    mask = np.zeros((32, 32), dtype=bool)
    mask[4:12, 4:12] = True
    everywhere = np.ones_like(mask)
    perfect = pointing(mask.astype(np.float32), mask, everywhere)
    assert perfect.average_precision == pytest.approx(1)
    assert perfect.mass_inside == pytest.approx(1)
    assert perfect.hit
    constant = pointing(np.ones((32, 32), np.float32), mask, everywhere)
    assert constant.average_precision == pytest.approx(64 / 1024)
    assert constant.mass_inside == pytest.approx(constant.area)


def test_evidence_against_a_label_does_not_count_as_pointing_at_it() -> None:
    mask = np.zeros((16, 16), dtype=bool)
    mask[:4] = True
    heatmap = np.where(mask, -5.0, 1.0).astype(np.float32)
    assert pointing(heatmap, mask, np.ones_like(mask)).mass_inside == 0


def test_evidence_on_the_padding_does_not_count() -> None:
    mask, inside = on_input_grid(np.pad(np.ones((4, 4), np.uint8), ((8, 8), (28, 28))), 60)
    heatmap = np.where(inside, 0.0, 9.0).astype(np.float32)
    heatmap[mask] = 1.0
    assert pointing(heatmap, mask, inside).mass_inside == 1


def test_an_empty_mask_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        pointing(np.ones((4, 4), np.float32), np.zeros((4, 4), bool), np.ones((4, 4), bool))


def test_the_average_mask_is_the_share_of_films_with_a_lesion_there() -> None:
    first, second = np.zeros((10, 10), np.uint8), np.zeros((20, 20), np.uint8)
    first[:5] = 1
    second[:, :10] = 1
    mean = average_mask([first, second], 10)
    assert mean[0, 0] == 1
    assert mean[0, 9] == 0.5
    assert mean[9, 9] == 0
