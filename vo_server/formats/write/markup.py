"""Text into XML 1.0: what must be escaped is, and characters that no XML document may hold are left out."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

ILLEGAL = "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
_ILLEGAL = re.compile(ILLEGAL)


def text(value: str) -> str:
    """Character data."""
    return escape(_ILLEGAL.sub("", value), {"\r": "&#13;"})


def attributes(**values: str | None) -> str:
    """Attributes with a blank before each; those that are None are left out."""
    said = ((name, value) for name, value in values.items() if value is not None)
    return "".join(f" {name}={quoteattr(_ILLEGAL.sub('', value))}" for name, value in said)


def description(said: str | None) -> str:
    """The element of a VOTable that describes the one around it; nothing where nothing is said."""
    return f"<DESCRIPTION>{text(said)}</DESCRIPTION>\n" if said else ""
