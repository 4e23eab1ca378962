"""Parts of nearly the same size."""

import pytest
from radiolucent.plugins.even_parts import even_parts


@pytest.mark.parametrize(("count", "most", "sizes"), [(65, 16, [13] * 5), (5, 4, [2, 3]), (4, 4, [4]), (0, 4, [])])
def test_parts_are_few_even_and_complete(count: int, most: int, sizes: list[int]) -> None:
    parts = list(even_parts(count, most))
    assert [len(range(count)[part]) for part in parts] == sizes
    assert [one for part in parts for one in range(count)[part]] == list(range(count))
