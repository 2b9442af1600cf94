"""What stands around every page of the portal: who is signed in."""

from __future__ import annotations

from dataclasses import dataclass

from app.accounts.access import person_or_none
from app.accounts.directory import hue, initials


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is signed in, as the masthead shows them."""

    name: str
    initials: str
    hue: int
    is_agent: bool


@dataclass(frozen=True, slots=True)
class PortalFrame:
    """For layouts/portal.html."""

    viewer: Viewer | None


def portal_frame() -> PortalFrame:
    """The frame for whoever looks, guests included."""
    person = person_or_none()
    if person is None:
        return PortalFrame(None)
    name = person.display_name
    return PortalFrame(Viewer(name, initials(name), hue(person.id), person.is_agent))
