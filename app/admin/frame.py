"""What stands around every page of administration, and its first page."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import current_person, supervisor_required

bp = Blueprint("admin", __name__, url_prefix="/admin")


@dataclass(frozen=True, slots=True)
class Door:
    """A way to a page of administration.

    Attributes:
        lead: what is done there.
        is_for_supervisors: else admins alone get in.
    """

    label: str
    path: str
    lead: str
    is_for_supervisors: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Doors that belong together."""

    title: str
    icon: str
    doors: tuple[Door, ...]


PARTS = (
    Part(
        "People",
        "users",
        (
            Door("People", "/admin/people", "Who answers tickets here, and inviting others."),
            Door("Groups", "/admin/groups", "Teams of agents, each with a queue of its own."),
            Door("Organizations", "/admin/organizations", "Customers' companies and their tiers."),
            Door("Skills", "/admin/skills", "What agents know and categories may need."),
        ),
    ),
    Part(
        "Tickets",
        "inbox",
        (
            Door("Categories", "/admin/categories", "What a ticket is about."),
            Door("Subcategories", "/admin/subcategories", "A finer cut, where one is needed."),
            Door(
                "Custom fields", "/admin/custom-fields", "What else you want to know of a ticket."
            ),
            Door("Tags", "/admin/tags", "Free words on tickets, tidied up."),
            Door("Macros", "/admin/macros", "Replies and changes with one click.", True),
            Door("Chat", "/admin/settings/chat", "A window on your own website."),
            Door("Priority", "/admin/settings/priority", "Points, urgent words and cut-offs."),
        ),
    ),
    Part(
        "Rules",
        "zap",
        (
            Door("Assignment rules", "/admin/rules", "Who gets a new ticket.", True),
            Door("SLA policies", "/admin/policies", "How soon a ticket is answered.", True),
            Door("Calendars", "/admin/calendars", "Opening hours and holidays.", True),
        ),
    ),
    Part(
        "Mail",
        "mail",
        (
            Door("Mailboxes", "/admin/mailboxes", "Support addresses and their servers."),
            Door("Ledger", "/admin/mail/ledger", "Every message, and what became of it."),
            Door("Quarantine", "/admin/mail/quarantine", "Mails that became no ticket."),
            Door("Outbox", "/admin/mail/outbox", "What waits, was sent, and failed."),
            Door("Failing addresses", "/admin/mail/failing", "Where mails came back from."),
            Door("Automatic answers", "/admin/templates", "What a customer gets at once.", True),
            Door("Blocked senders", "/admin/blocked-senders", "Whose mail is not read.", True),
            Door("Mail settings", "/admin/settings/mail", "How mail is read and sent."),
        ),
    ),
    Part(
        "The desk",
        "shield",
        (
            Door(
                "Article categories",
                "/admin/article-categories",
                "The shelves of the help centre.",
                True,
            ),
            Door("Presets", "/admin/presets", "Categories and tags for a use of the desk."),
            Door("API tokens", "/admin/tokens", "Programs that work here, and an end to them."),
            Door("Webhooks", "/admin/webhooks", "Programs that hear of what happens to tickets."),
            Door("Customer data", "/admin/context", "What your systems know, beside a ticket."),
            Door("Settings", "/admin/settings", "Name, colour, and times."),
            Door("Audit log", "/admin/audit", "Who changed what here, and when."),
            Door("System", "/admin/system", "Workers, jobs, mail, disk and versions."),
        ),
    ),
)


def parts() -> list[Part]:
    """The doors that whoever is signed in may open."""
    is_admin = current_person().is_admin
    found = (
        Part(
            part.title, part.icon, tuple(d for d in part.doors if is_admin or d.is_for_supervisors)
        )
        for part in PARTS
    )
    return [part for part in found if part.doors]


def here() -> str:
    """The door behind which this page lies."""
    paths = (door.path for part in PARTS for door in part.doors)
    fitting = (p for p in paths if request.path == p or request.path.startswith(f"{p}/"))
    return max(fitting, key=len, default="")


@bp.get("/")
@supervisor_required
def index() -> ResponseReturnValue:
    """Every door, with what lies behind it."""
    return render_template("admin/index.html")
