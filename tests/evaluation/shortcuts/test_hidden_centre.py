import numpy as np
from radiolucent.evaluation.shortcuts.hidden_centre import hide_centre
from radiolucent.handlers import XRay


def test_what_is_hidden_leaves_no_trace() -> None:
    rng = np.random.default_rng(0)
    film = rng.random((50, 80), dtype=np.float32)
    other = film.copy()
    other[5:45, 8:72] = rng.random((40, 64)) ** 3
    hidden, same = (hide_centre(XRay(pixels, "png")).pixels for pixels in (film, other))
    np.testing.assert_array_equal(hidden, same)
    np.testing.assert_array_equal(hidden[:5], film[:5])
    np.testing.assert_array_equal(hidden[:, 72:], film[:, 72:])
    assert np.ptp(hidden[5:45, 8:72]) == 0
