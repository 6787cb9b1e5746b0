"""Names of Compute resources as URLs.

Clients may write a reference as a full URL of any host and version, from `projects/` on, or from `global/` on; the API
answers with full URLs of www.googleapis.com whatever host was asked. So a comparison is only right from `projects/`
on, here as there.
"""

import re
from dataclasses import dataclass

BASE = "https://www.googleapis.com/compute/"

_LINK = re.compile(
    r"(?:https?://[^/]+/compute/[^/]+/)?(?:projects/(?P<project>[^/]+)/)?"
    r"(?:global|zones/(?P<zone>[a-z0-9-]+))/(?P<collection>[A-Za-z]+)/(?P<name>[^/]+)"
)


@dataclass(frozen=True, order=True)
class Ref:
    """A resource's identity inside the project; `zone` is empty for a global one."""

    collection: str
    name: str
    zone: str = ""

    @property
    def scope(self) -> str:
        return f"zones/{self.zone}" if self.zone else "global"

    def path(self, project: str) -> str:
        """From `projects/` on, as error texts name it."""
        return f"projects/{project}/{self.scope}/{self.collection}/{self.name}"

    def url(self, project: str) -> str:
        return f"{BASE}v1/{self.path(project)}"


def parse(link: object, project: str) -> Ref | None:
    """Read a reference in any of its spellings; None if it is none, or leads to another project.

    >>> parse("global/urlMaps/m", "p")
    Ref(collection='urlMaps', name='m', zone='')
    """
    match = _LINK.fullmatch(link) if isinstance(link, str) else None
    if match is None or match["project"] not in (None, project):
        return None
    return Ref(match["collection"], match["name"], match["zone"] or "")
