"""Shelves: bounded in memory, turned over, and the same draws whatever is held."""

from __future__ import annotations

import numpy as np
import pytest

from segstudio.models.prompt_training.shelf import Shelf


def shelf_of(read, count: int = 40, budget: int = 100) -> Shelf[int, bytes]:
    return Shelf(range(count), read, len, budget=budget, typical=10, seed=1)


def test_no_more_is_kept_than_the_budget_and_no_more_is_read_than_needed():
    reads: list[int] = []

    def read(key: int) -> bytes:
        reads.append(key)
        return bytes(10)

    shelf, rng = shelf_of(read), np.random.default_rng(0)
    for _ in range(200):
        shelf.draw(rng)
    assert len(reads) == len(set(reads)) == 10  # the window, each once


def test_turns_bring_every_key_to_light():
    drawn: set[int] = set()
    shelf, rng = shelf_of(lambda key: bytes([key])), np.random.default_rng(0)
    for turn in range(40):
        shelf.turn(turn)
        drawn.update(shelf.draw(rng)[0] for _ in range(10))
    assert drawn == set(range(40))


def test_draws_do_not_depend_on_what_is_held():
    draws = []
    for before in (0, 30):
        shelf, rng = shelf_of(lambda key: bytes([key]) * 10), np.random.default_rng(7)
        for _ in range(before):
            shelf.draw(rng)
        shelf.turn(5)
        rng = np.random.default_rng(8)
        draws.append([shelf.draw(rng)[0] for _ in range(20)])
    assert draws[0] == draws[1]


def test_a_file_that_is_gone_is_passed_over_but_not_all_of_them():
    def odd_ones_are_gone(key: int) -> bytes:
        if key % 2:
            raise FileNotFoundError(key)
        return bytes([key])

    def all_are_gone(key: int) -> bytes:
        raise FileNotFoundError(key)

    rng = np.random.default_rng(0)
    shelf = shelf_of(odd_ones_are_gone)
    assert {shelf.draw(rng)[0] % 2 for _ in range(20)} == {0}
    with pytest.raises(FileNotFoundError, match="None of 16"):
        shelf_of(all_are_gone).draw(rng)
