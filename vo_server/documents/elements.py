"""XML elements with lxml: the namespaces of the VO's schemas and the functions that every document needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

from lxml import etree

XSI = "http://www.w3.org/2001/XMLSchema-instance"

NAMESPACES = {
    "xsi": XSI,
    "vr": "http://www.ivoa.net/xml/VOResource/v1.0",
    "vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "tr": "http://www.ivoa.net/xml/TAPRegExt/v1.0",
    "cs": "http://www.ivoa.net/xml/ConeSearch/v1.0",
    "sia": "http://www.ivoa.net/xml/SIA/v1.1",
    "vg": "http://www.ivoa.net/xml/VORegistry/v1.0",
}
"""The prefixes that values of xsi:type use; each root declares all of them."""

MEDIA_TYPE = "text/xml;charset=utf-8"

Element: TypeAlias = etree._Element
Value: TypeAlias = str | int | float | bool | datetime | None


def make_root(prefix: str, namespace: str, name: str, **attributes: Value) -> Element:
    """Return the root of a document whose own namespace has this prefix."""
    element = etree.Element(f"{{{namespace}}}{name}", nsmap={prefix: namespace, **NAMESPACES})
    return _set_attributes(element, attributes)


def add(parent: Element, name: str, value: Value = None, /, type: str | None = None, **attributes: Value) -> Element:
    """Add a child at the end and return it; `_` in the name of an attribute is written `-`."""
    child = etree.SubElement(parent, name)
    if type is not None:
        child.set(f"{{{XSI}}}type", type)
    if value is not None:
        child.text = format_value(value)
    return _set_attributes(child, attributes)


def add_known(parent: Element, **values: Value) -> None:
    """Add a child for each value that is known, in this order."""
    for name, value in values.items():
        if value is not None and value != "":
            add(parent, name, value)


def format_value(value: Value) -> str:
    """Return a value as XML Schema writes it; an instant in UTC, to the second."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return str(value)


def serialise(document: Element) -> bytes:
    """Return the document as bytes."""
    etree.indent(document)
    return bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _set_attributes(element: Element, attributes: dict[str, Value]) -> Element:
    for name, value in attributes.items():
        if value is not None:
            element.set(name.replace("_", "-"), format_value(value))
    return element
