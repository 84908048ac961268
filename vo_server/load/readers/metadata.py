"""The YAML metadata of ECSV, FITS and Parquet files as astropy writes them (APE 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from astropy.table import meta

from vo_server.model.column import Column


@dataclass(frozen=True, slots=True)
class TableMetadata:
    """The metadata of each column by name, and of the table."""

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def add_to(self, column: Column) -> Column:
        """Return the column with its missing metadata filled in."""
        description = self.columns.get(column.name, {})
        extra = description.get("meta") or {}
        return column.replace(
            unit=column.unit or to_line(description.get("unit")),
            ucd=column.ucd or to_line(extra.get("ucd")),
            utype=column.utype or to_line(extra.get("utype")),
            description=column.description or to_line(description.get("description")),
        )


def parse_yaml_metadata(lines: Sequence[str]) -> TableMetadata:
    """Return the metadata in these lines; empty if they are not valid."""
    try:
        header = meta.get_header_from_yaml(list(lines))
        columns = {str(c["name"]): c for c in header.get("datatype", ())}
    except Exception:  # noqa: BLE001 - a library parses arbitrary content
        return TableMetadata()
    return TableMetadata(columns, normalise_metadata(header.get("meta") or {}))


def normalise_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts and numbers of a mapping as lines, by keywords in lower case."""
    lines_by_key = {str(key).lower(): to_line(value) for key, value in values.items() if not str(key).startswith("_")}
    return {key: value for key, value in lines_by_key.items() if value}


def to_line(value: object) -> str | None:
    """Return a value as text in one line; None if it is empty or not a text or number."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = " ".join(value)
    if not isinstance(value, str | int | float):
        return None
    return " ".join(str(value).split()) or None
