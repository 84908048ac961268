"""Names as written in a query."""

from __future__ import annotations

import pytest

from vo_server.catalogue.names import is_regular, quote_name
from vo_server.model.reserved_words import ADQL, RESERVED, SQL


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("j_m", "j_m"),
        ("k_m_2mass", "k_m_2mass"),
        ("date", '"date"'),
        ("Size", '"Size"'),
        ("distance", '"distance"'),
        ("2mass", '"2mass"'),
        ("_id", '"_id"'),
        ("J-H", '"J-H"'),
        ("größe", '"größe"'),
        ('a"b', '"a""b"'),
        ("a\n", '"a\n"'),
        ("", '""'),
    ],
)
def test_quotes_names_where_necessary(name: str, typed: str) -> None:
    assert quote_name(name) == typed
    assert is_regular(name) == (name == typed)


def test_has_reserved_words_of_sql_and_adql() -> None:
    assert (len(SQL), len(ADQL), len(RESERVED)) == (226, 41, 267)
    assert all(word == word.upper() for word in RESERVED)
