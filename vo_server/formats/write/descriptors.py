"""Service descriptors and input parameters in VOTables (DataLink 1.1 section 4, with the ranges of SODA 1.0 section
4.2)."""

from __future__ import annotations

from collections.abc import Mapping

from vo_server.formats.write.markup import description_element, format_attributes
from vo_server.model.result import Descriptor, ServiceParameter


def param_element(parameter: ServiceParameter, fields: Mapping[str, str], id: str | None = None) -> str:
    """Return the PARAM of a parameter. `fields` are the IDs of the columns by their names."""
    attributes = format_attributes(
        ID=id,
        name=parameter.name,
        datatype=parameter.datatype,
        arraysize=parameter.arraysize,
        xtype=parameter.xtype,
        unit=parameter.unit,
        ucd=parameter.ucd,
        ref=None if parameter.ref is None else fields[parameter.ref],
        value=parameter.value,
    )
    return f"<PARAM{attributes}>\n{description_element(parameter.description)}{_values_element(parameter)}</PARAM>\n"


def _values_element(parameter: ServiceParameter) -> str:
    bounds = (("MIN", parameter.low), ("MAX", parameter.high), *(("OPTION", option) for option in parameter.options))
    elements = "".join(f"<{name}{format_attributes(value=value)}/>" for name, value in bounds if value is not None)
    return f"<VALUES>{elements}</VALUES>\n" if elements else ""


def service_resource(descriptor: Descriptor, fields: Mapping[str, str]) -> str:
    """Return the RESOURCE of a service descriptor. `fields` are the IDs of the columns by their names."""
    attributes = format_attributes(type="meta", utype="adhoc:service", ID=descriptor.id, name=descriptor.name)
    facts = {
        "accessURL": descriptor.access_url,
        "standardID": descriptor.standard_id,
        "contentType": descriptor.content_type,
    }
    params = "".join(
        f"<PARAM{format_attributes(name=n, datatype='char', arraysize='*', value=v)}/>\n" for n, v in facts.items()
    )
    inputs = "".join(param_element(parameter, fields) for parameter in descriptor.inputs)
    group = f'<GROUP name="inputParams">\n{inputs}</GROUP>\n'
    return f"<RESOURCE{attributes}>\n{description_element(descriptor.description)}{params}{group}</RESOURCE>\n"
