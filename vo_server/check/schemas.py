"""The IVOA's XML schemas, read from a folder of the operator: none are downloaded, and none are shipped.

Any folder of the published files works; imports are resolved by namespace.
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
"""The namespace of MIVOT, whose schema is written in XML Schema 1.1, which lxml does not support."""

SCHEMA_FOLDERS = ("xsd", "schemas/xsd", "standards/xsd")
"""The usual folders of the schemas, relative to the searched folders."""


class UnusableSchemas(Exception):
    """There are no schemas at a path, or they do not fit together; the text gives the reason."""


def find_schemas(*below: Path) -> Path | None:
    """Return the first of the usual folders that has schemas."""
    candidates = (folder / name for folder in below for name in SCHEMA_FOLDERS)
    return next((candidate for candidate in candidates if any(candidate.glob("VOResource*.xsd"))), None)


def load_schemas(path: Path) -> Schemas:
    """Load the schemas of a folder, or of a file, as one.

    Raises UnusableSchemas.
    """
    try:
        if path.is_file():
            return etree.XMLSchema(etree.parse(path))
        files = _newest_files(path)
        parser = etree.XMLParser(no_network=True)
        parser.resolvers.add(_FolderResolver(files))
        return etree.XMLSchema(etree.fromstring(_import_all(files), parser))
    except (OSError, etree.LxmlError) as error:
        raise UnusableSchemas(f"{path}: {' '.join(str(error).split())[:200]}") from None


def _newest_files(folder: Path) -> dict[str, Path]:
    """Return the file of each namespace; of several the one with the highest number in its name."""
    known: dict[str, Path] = {}
    for file in sorted(folder.glob("*.xsd"), key=lambda f: [int(n) for n in re.findall(r"\d+", f.name)]):
        namespace = etree.parse(file).getroot().get("targetNamespace")
        if namespace and namespace != MIVOT:
            known[namespace] = file
    if not known:
        raise UnusableSchemas(f"{folder} has no schemas")
    return known


def _import_all(files: Mapping[str, Path]) -> bytes:
    """Return a schema that imports all others."""
    root = etree.Element(f"{XS}schema")
    for namespace in files:
        etree.SubElement(root, f"{XS}import", namespace=namespace, schemaLocation=_schema_location(namespace))
    return bytes(etree.tostring(root))


def _schema_location(namespace: str) -> str:
    return f"of:{namespace}"


class _FolderResolver(etree.Resolver):  # type: ignore[misc]
    """Resolves namespaces to files."""

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
                each.set("schemaLocation", _schema_location(namespace))
            else:
                each.attrib.pop("schemaLocation", None)
        return self.resolve_string(etree.tostring(root), context, base_url=url)
