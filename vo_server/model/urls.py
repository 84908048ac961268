"""The URLs of the services and pages of a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SiteUrls:
    """The URLs of a site: its base URL without a trailing slash, and the path of each service by the service's name."""

    base: str
    paths: Mapping[str, str] = field(hash=False)

    def get_url(self, service: str, resource: str = "") -> str:
        """Return the URL of a service, or of a resource whose path below the service's begins with a slash.

        Raises KeyError for a service that the site does not have.
        """
        return self.base + self.paths[service] + resource
