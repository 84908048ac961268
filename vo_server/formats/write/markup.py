"""Escape text for XML 1.0; characters that XML does not allow are left out."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

ILLEGAL_CHARACTERS = "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
_ILLEGAL = re.compile(ILLEGAL_CHARACTERS)


def escape_text(value: str) -> str:
    """Return a text as character data."""
    return escape(_ILLEGAL.sub("", value), {"\r": "&#13;"})


def format_attributes(**values: str | None) -> str:
    """Return attributes with a blank before each; those that are None are left out."""
    present = ((name, value) for name, value in values.items() if value is not None)
    return "".join(f" {name}={quoteattr(_ILLEGAL.sub('', value))}" for name, value in present)


def description_element(value: str | None) -> str:
    """Return the DESCRIPTION element of a VOTable, empty for no text."""
    return f"<DESCRIPTION>{escape_text(value)}</DESCRIPTION>\n" if value else ""
