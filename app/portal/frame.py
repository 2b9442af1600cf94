"""What stands around every page of the portal."""

from __future__ import annotations

from dataclasses import dataclass

from app.accounts import directory
from app.accounts.access import person_or_none


@dataclass(slots=True)
class Signed:
    """Who is signed in."""

    name: str
    initials: str
    hue: int
    is_agent: bool


@dataclass(slots=True)
class PortalFrame:
    """For layouts/portal.html; ``viewer`` is None for guests, also for those who came by a link."""

    viewer: Signed | None


def portal_frame() -> PortalFrame:
    """The frame for whoever is signed in."""
    person = person_or_none()
    if person is None:
        return PortalFrame(None)
    name = person.display_name
    return PortalFrame(
        Signed(name, directory.initials(name), directory.hue(person.id), person.is_agent)
    )
