"""Numbers of records that leave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segstudio.formats.numbering import kept_numbers


def test_what_came_keeps_its_number_and_what_is_new_gets_the_next() -> None:
    assert kept_numbers([1, 2, 3], {}) == {1: 1, 2: 2, 3: 3}
    assert kept_numbers([1, 2, 3], {2: 90, 3: 7}) == {1: 91, 2: 90, 3: 7}
    assert kept_numbers([1, 2, 3], {1: 7, 2: 7, 3: 0}) == {1: 7, 2: 8, 3: 0}
    assert kept_numbers([1, 2, 3], {1: 7, 2: 255}, {0, 8, 255}) == {1: 7, 2: 9, 3: 10}


@given(
    st.sets(st.integers(0, 20)),
    st.dictionaries(st.integers(0, 20), st.integers(0, 9)),
    st.sets(st.integers(0, 12)),
)
def test_no_two_are_alike_and_none_is_reserved(
    ids: set[int], wanted: dict[int, int], reserved: set[int]
) -> None:
    numbers = kept_numbers(sorted(ids), wanted, reserved)
    assert numbers.keys() == ids
    assert len(set(numbers.values())) == len(ids)
    assert not reserved & set(numbers.values())
