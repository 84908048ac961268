"""Media types and Accept headers of clients (RFC 2045 section 5.1, RFC 9110 sections 5.6 and 12.5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_WORD}/{_WORD})\s*")
_PARAMETER = re.compile(rf';\s*(?:({_WORD})\s*=\s*(?:({_WORD})|"((?:[ !#-\[\]-~]|\\[ -~])*)")\s*)?')
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case and its parameters in order, their names in lower case."""

    essence: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def header_value(self) -> str:
        """The value of a Content-Type header."""
        return self.essence + "".join(f";{name}={_quote(value)}" for name, value in self.parameters)


def _quote(value: str) -> str:
    if re.fullmatch(_WORD, value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def parse_media_type(text: str) -> MediaType | None:
    """Return the media type of a text; None for a text that is not a media type."""
    head = _TYPE.match(text)
    if head is None:
        return None
    at, parameters = head.end(), []
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            return None
        at = match.end()
        name, token, quoted = match.groups()
        if name is not None:
            value = token if token is not None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.append((name.lower(), value))
    return MediaType(head.group(1).lower(), tuple(parameters))


def parse_accept(header: str) -> list[MediaType]:
    """Return the media types of an Accept header without their weights.

    The highest weight comes first; among equal weights, types without wildcards come first.
    """
    weighed: list[tuple[float, MediaType]] = []
    for piece in _ELEMENT.findall(header):
        media = parse_media_type(piece)
        weight = _parse_weight(dict(media.parameters).get("q", "1")) if media else 0
        if media is not None and weight > 0:
            parameters = tuple(p for p in media.parameters if p[0] != "q")
            weighed.append((weight, MediaType(media.essence, parameters)))
    return [media for _, media in sorted(weighed, key=lambda pair: (-pair[0], pair[1].essence.count("*")))]


def _parse_weight(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text) else 0.0
