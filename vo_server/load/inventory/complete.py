"""Rows of an inventory that come from a table instead of files: what follows from their WCS is worked out for them.

An archive's own table of its images has the keywords of their headers as columns, and mostly no footprints.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from astropy.io import fits

from vo_server.catalogue.images import Images
from vo_server.errors import LoadFault
from vo_server.load.inventory.fill import Row, formatted
from vo_server.load.inventory.header import Header, Refused
from vo_server.load.inventory.sky import place

_WCS = ("NAXIS1", "NAXIS2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CROTA2")


def completed(images: Images, table: pa.Table) -> pa.Table:
    """The rows with their footprints, and what else is filled by rules that ask no file.

    Raises LoadFault where neither a footprint nor a WCS is there: no query for a place would find the image.
    """
    outline = images.filled("sky", "footprint")
    if outline is None or not table[outline].null_count:
        return table
    rows = table.to_pylist()
    for row in rows:
        if row[outline] is None:
            _complete(images, row)
    return pa.Table.from_pylist(rows, schema=table.schema)


def _complete(images: Images, row: Row) -> None:
    try:
        sky = place(_header(images, row))
    except Refused as refused:
        raise LoadFault(f"an image has no footprint, and {refused}", hint=f"the row is {_told(row)}") from None
    for fill in images.fills:
        if row[fill.column] is None:
            made: dict[str, Any] = {"sky": sky.get(fill.said), "text": formatted(fill.said, row), "value": fill.said}
            row[fill.column] = made.get(fill.source)


def _header(images: Images, row: Row) -> Header:
    """The header that the columns tell of."""
    if images.projection is None:
        raise Refused("its catalogue file names no projection")
    columns = {f.said: f.column for f in images.fills if f.source == "header" and f.said in _WCS}
    known = {keyword: row[columns[keyword]] for keyword in _WCS if keyword in columns}
    missing = [keyword for keyword in _WCS[:-1] if known.get(keyword) is None]
    if missing:
        raise Refused(f"there is no {', '.join(missing)}")
    cards = fits.Header({"NAXIS": 2, **{k: v for k, v in known.items() if v is not None}, "EQUINOX": 2000.0})
    cards["CTYPE1"], cards["CTYPE2"] = f"RA---{images.projection}", f"DEC--{images.projection}"
    text = cards.tostring(padding=False).encode("ascii")
    return Header(text, text)


def _told(row: Row) -> str:
    said = [f"{name} {value}" for name, value in row.items() if value is not None]
    return ", ".join(said[:6])
