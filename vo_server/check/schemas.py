"""The IVOA's XML schemas from a folder that the operator has: nothing is fetched, and nothing comes with this server.

Any folder of the files as they are published will do; imports are led from one to the other by their namespaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lxml import etree
from typing_extensions import override

from vo_server.check.tables import Schemas

XS = "{http://www.w3.org/2001/XMLSchema}"
MIVOT = "http://www.ivoa.net/xml/mivot"
"""Written in XML Schema 1.1, which lxml does not know."""

FOLDERS = ("xsd", "schemas/xsd", "standards/xsd")
"""Where schemas are looked for, below the folders in question."""


class Unusable(Exception):
    """There are no schemas at a path, or none that fit together; the text says why."""


def found(*below: Path) -> Path | None:
    """The first folder that has schemas, of those that are usual."""
    places = (folder / name for folder in below for name in FOLDERS)
    return next((place for place in places if any(place.glob("VOResource*.xsd"))), None)


def schemas(path: Path) -> Schemas:
    """The schemas of a folder, or that of a file, as one.

    Raises Unusable.
    """
    try:
        if path.is_file():
            return etree.XMLSchema(etree.parse(path))
        files = _newest(path)
        parser = etree.XMLParser(no_network=True)
        parser.resolvers.add(_Folder(files))
        return etree.XMLSchema(etree.fromstring(_all(files), parser))
    except (OSError, etree.LxmlError) as error:
        raise Unusable(f"{path}: {' '.join(str(error).split())[:200]}") from None


def _newest(folder: Path) -> dict[str, Path]:
    """The file of each namespace; of several the one with the highest number in its name."""
    known: dict[str, Path] = {}
    for file in sorted(folder.glob("*.xsd"), key=lambda f: [int(n) for n in re.findall(r"\d+", f.name)]):
        namespace = etree.parse(file).getroot().get("targetNamespace")
        if namespace and namespace != MIVOT:
            known[namespace] = file
    if not known:
        raise Unusable(f"{folder} has no schemas")
    return known


def _all(files: Mapping[str, Path]) -> bytes:
    """A schema that imports them all."""
    root = etree.Element(f"{XS}schema")
    for namespace in files:
        etree.SubElement(root, f"{XS}import", namespace=namespace, schemaLocation=_place(namespace))
    return bytes(etree.tostring(root))


def _place(namespace: str) -> str:
    return f"of:{namespace}"


class _Folder(etree.Resolver):  # type: ignore[misc]
    """Leads to the files of namespaces."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    @override
    def resolve(self, url: str, id: str, context: object) -> object:
        file = self._files.get(url.removeprefix("of:"))
        if not url.startswith("of:") or file is None:
            return None
        root = etree.parse(file).getroot()
        for each in root.iter(f"{XS}import"):
            namespace = each.get("namespace", "")
            if namespace in self._files:
                each.set("schemaLocation", _place(namespace))
            else:
                each.attrib.pop("schemaLocation", None)
        return self.resolve_string(etree.tostring(root), context, base_url=url)
