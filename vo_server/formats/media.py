"""Media types as they are written by clients (RFC 2045 section 5.1, RFC 9110 sections 5.6 and 12.5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_WORD}/{_WORD})\s*")
_PARAMETER = re.compile(rf';\s*(?:({_WORD})\s*=\s*(?:({_WORD})|"((?:[ !#-\[\]-~]|\\[ -~])*)")\s*)?')
_PIECE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type, lower case, and its parameters in the order written; their names are lower case."""

    essence: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """As it stands in a Content-Type."""
        return self.essence + "".join(f";{name}={_quoted(value)}" for name, value in self.parameters)


def _quoted(value: str) -> str:
    if re.fullmatch(_WORD, value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def parse(text: str) -> MediaType | None:
    """The media type that a text spells; None where it spells none."""
    head = _TYPE.match(text)
    if head is None:
        return None
    at, parameters = head.end(), []
    while at < len(text):
        found = _PARAMETER.match(text, at)
        if found is None:
            return None
        at = found.end()
        name, token, quoted = found.groups()
        if name is not None:
            value = token if token is not None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.append((name.lower(), value))
    return MediaType(head.group(1).lower(), tuple(parameters))


def accepted(header: str) -> list[MediaType]:
    """The media types of an Accept header, the dearest first and of those the ones in full; their weights taken off."""
    weighed: list[tuple[float, MediaType]] = []
    for piece in _PIECE.findall(header):
        media = parse(piece)
        weight = _weight(dict(media.parameters).get("q", "1")) if media else 0
        if media is not None and weight > 0:
            kept = tuple(p for p in media.parameters if p[0] != "q")
            weighed.append((weight, MediaType(media.essence, kept)))
    return [media for _, media in sorted(weighed, key=lambda pair: (-pair[0], pair[1].essence.count("*")))]


def _weight(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text) else 0.0
