"""What oneDNN keeps compiled fits into a worker's memory."""

from __future__ import annotations

import pytest
from radiolucent.handlers.out_of_memory import ran_out
from radiolucent.server.engine.memory import primitives_kept


@pytest.mark.parametrize(("gibibytes", "kept"), [(1, 1024), (2, 1024), (10, 4551), (32, 14563), (1000, 16384)])
def test_a_third_of_the_memory_holds_what_is_kept(gibibytes: int, kept: int) -> None:
    assert primitives_kept(gibibytes * 2**30) == kept


def test_no_room_to_compile_a_convolution_is_no_memory() -> None:
    assert ran_out(RuntimeError("could not create a primitive"))
    assert not ran_out(RuntimeError("could not create a primitive descriptor for a convolution"))
