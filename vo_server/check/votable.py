"""VOTables as a client reads them: the header by XML, the cells by astropy."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from astropy.io.votable import parse_single_table
from lxml import etree


class InvalidVOTable(Exception):
    """The document is not a VOTable or has no table; the text gives the reason."""


@dataclass(frozen=True)
class VOTable:
    """The first table of a document: `infos` of its resource are (name, value, text, after the table)."""

    body: bytes
    fields: tuple[Mapping[str, str], ...]
    infos: tuple[tuple[str, str, str, bool], ...]
    serialisation: str

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [field["name"] for field in self.fields]

    @property
    def statuses(self) -> list[tuple[str, bool]]:
        """The values of QUERY_STATUS, and whether each follows the table."""
        return [(value, after) for name, value, _, after in self.infos if name == "QUERY_STATUS"]

    @property
    def has_overflow(self) -> bool:
        """Whether the document marks that rows were cut off."""
        return any(value == "OVERFLOW" for value, _ in self.statuses)

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """The cells as Python values; None for nulls.

        Raises InvalidVOTable where astropy cannot read them.
        """
        if not self.fields:
            return []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                array = parse_single_table(io.BytesIO(self.body), verify="ignore").array
        except Exception as error:  # noqa: BLE001 - astropy raises many types of errors
            raise InvalidVOTable(f"astropy cannot read the table: {error}") from None
        columns = [array[name].tolist() for name in array.dtype.names or ()]
        return list(zip(*columns, strict=True))

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries by lower-case column name."""
        names = [name.lower().strip('"') for name in self.names]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def read(body: bytes) -> VOTable:
    """Parse the first table of a document.

    Raises InvalidVOTable where there is none.
    """
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise InvalidVOTable(f"not well-formed: {error}") from None
    table = next(root.iter("{*}TABLE"), None)
    if etree.QName(root).localname != "VOTABLE" or table is None:
        raise InvalidVOTable(f"the document {etree.QName(root).localname} has no table")
    fields = tuple({"name": "", **_to_dict(f.attrib), "id": f.get("ID", "")} for f in table.findall("{*}FIELD"))
    siblings = list(table.getparent())
    infos = tuple(
        (i.get("name", ""), i.get("value", ""), i.text or "", siblings.index(i) > siblings.index(table))
        for i in siblings
        if isinstance(i.tag, str) and etree.QName(i).localname == "INFO"
    )
    data = table.find("{*}DATA")
    inner = next(iter(data), None) if data is not None else None
    return VOTable(body, fields, infos, etree.QName(inner).localname if inner is not None else "")


def _to_dict(attributes: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in attributes.items()}


def count_rows(body: bytes) -> tuple[int, bool]:
    """Count the rows of a TABLEDATA that is too long to parse, and tell whether it has an overflow."""
    return body.count(b"<TR>"), b'value="OVERFLOW"' in body


def error_message(body: bytes) -> str | None:
    """Return the error message of a document, by QUERY_STATUS or the INFO of cone searches, or None."""
    if b"<" not in body[:500] or b"INFO" not in body:
        return None
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError:
        return None
    for info in root.iter("{*}INFO"):
        if info.get("name") == "QUERY_STATUS" and info.get("value") == "ERROR":
            return " ".join((info.text or "an error without a message").split())
    return None
