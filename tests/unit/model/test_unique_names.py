"""Names are made unique by numbers."""

from __future__ import annotations

from vo_server.model.unique_names import UniqueNames, make_unique


def test_repeated_names_get_numbers() -> None:
    assert make_unique(["a", "A", "a", "b"]) == ["a", "A_2", "a_3", "b"]
    assert make_unique(["a", "A", "a"], ignore_case=False) == ["a", "A", "a_2"]


def test_number_skips_existing_names() -> None:
    assert make_unique(["x", "x_2", "x"]) == ["x", "x_2", "x_3"]
    assert make_unique(["x", "x", "x_2"]) == ["x", "x_2", "x_2_2"]


def test_taken_names_are_not_assigned() -> None:
    assert UniqueNames(["Recno"]).assign("recno") == "recno_2"
    assert make_unique(["ra"], taken=["ra", "ra_2"]) == ["ra_3"]


def test_many_equal_names() -> None:
    assert make_unique(["x"] * 20_000)[-1] == "x_20000"
