"""The YAML in which astropy describes the columns of ECSV, FITS and Parquet files (APE 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astropy.table import meta

from vo_server.model.column import Column


@dataclass(frozen=True, slots=True)
class Described:
    """What it says: of each column by its name, and of the table."""

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)

    def add_to(self, column: Column) -> Column:
        """The column with what it does not say itself."""
        told = self.columns.get(column.name, {})
        more = told.get("meta") or {}
        return column.replace(
            unit=column.unit or text(told.get("unit")),
            ucd=column.ucd or text(more.get("ucd")),
            utype=column.utype or text(more.get("utype")),
            description=column.description or text(told.get("description")),
        )


def described(lines: Sequence[str]) -> Described:
    """The description in these lines; an empty one where they hold none."""
    try:
        header = meta.get_header_from_yaml(list(lines))
        columns = {str(c["name"]): c for c in header.get("datatype", ())}
    except Exception:  # noqa: BLE001 - border: a reader of others', and what a file holds is anything
        return Described()
    return Described(columns, statements(header.get("meta") or {}))


def statements(said: Mapping[str, Any]) -> dict[str, str]:
    """What is said in words, by keywords in lower case."""
    made = {str(key).lower(): text(value) for key, value in said.items() if not str(key).startswith("_")}
    return {key: value for key, value in made.items() if value}


def text(value: object) -> str | None:
    """A text in one line; None for what is none, or is empty."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = " ".join(value)
    if not isinstance(value, str | int | float):
        return None
    return " ".join(str(value).split()) or None
