"""What a VOTable says of services: their parameters, and descriptors with which clients call them (DataLink 1.1 section
4, with the ranges of SODA 1.0 section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping

from vo_server.formats.write.markup import attributes, description
from vo_server.model.result import Descriptor, Input


def param(given: Input, fields: Mapping[str, str], id: str | None = None) -> str:
    """A parameter as a PARAM. `fields` are the IDs of the columns by their names."""
    said = attributes(
        ID=id,
        name=given.name,
        datatype=given.datatype,
        arraysize=given.arraysize,
        xtype=given.xtype,
        unit=given.unit,
        ucd=given.ucd,
        ref=None if given.ref is None else fields[given.ref],
        value=given.value,
    )
    return f"<PARAM{said}>\n{description(given.description)}{_values(given)}</PARAM>\n"


def _values(given: Input) -> str:
    bounds = (("MIN", given.low), ("MAX", given.high), *(("OPTION", option) for option in given.options))
    said = "".join(f"<{name}{attributes(value=value)}/>" for name, value in bounds if value is not None)
    return f"<VALUES>{said}</VALUES>\n" if said else ""


def service(said: Descriptor, fields: Mapping[str, str]) -> str:
    """A descriptor as a RESOURCE."""
    named = attributes(type="meta", utype="adhoc:service", ID=said.id, name=said.name)
    facts = {"accessURL": said.access_url, "standardID": said.standard_id, "contentType": said.content_type}
    told = "".join(f"<PARAM{attributes(name=n, datatype='char', arraysize='*', value=v)}/>\n" for n, v in facts.items())
    inputs = "".join(param(given, fields) for given in said.inputs)
    group = f'<GROUP name="inputParams">\n{inputs}</GROUP>\n'
    return f"<RESOURCE{named}>\n{description(said.description)}{told}{group}</RESOURCE>\n"
