import numpy as np
from radiolucent.handlers.placing import on_input_grid


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
