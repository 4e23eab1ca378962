from collections.abc import Callable

import numpy as np
import pytest
from radiolucent.handlers import XRay
from radiolucent.server.engine.films import KEPT_BYTES, KEPT_FILMS, Films


def film(side: int = 4) -> Callable[[], XRay]:
    return lambda: XRay(np.zeros((side, side), np.float32), "png")


def never() -> XRay:
    raise AssertionError("decoded again")


def test_a_job_finds_its_film_and_what_is_known_of_it_after_the_turns_of_others() -> None:
    films = Films()
    films.of("mine", film()).known["passes"] = {"of": 1}
    for other in range(KEPT_FILMS - 1):
        films.of(f"other {other}", film())
    assert films.of("mine", never).known == {"passes": {"of": 1}}


def test_films_of_jobs_long_gone_are_let_go() -> None:
    films = Films()
    films.of("first", film())
    for other in range(KEPT_FILMS):
        films.of(f"other {other}", film())
    with pytest.raises(AssertionError, match="decoded again"):
        films.of("first", never)


def test_no_other_film_is_held_beside_a_large_one() -> None:
    films, side = Films(), int((KEPT_BYTES / 4) ** 0.5) + 1
    films.of("small", film())
    large = films.of("large", film(side))
    assert films.of("large", never) is large  # it is kept itself
    with pytest.raises(AssertionError, match="decoded again"):
        films.of("small", never)  # and is let go before the next is decoded
    films.of("small", film())
    with pytest.raises(AssertionError, match="decoded again"):
        films.of("large", never)


def test_a_film_that_cannot_be_read_is_not_kept() -> None:
    films = Films()
    with pytest.raises(AssertionError, match="decoded again"):
        films.of("mine", never)
    assert films.of("mine", film()).xray.height == 4
