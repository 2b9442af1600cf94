"""One ticket on the desk: reading, changing in place, replying, deciding about held mail."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2_fragments.flask import render_block

from app.accounts.access import agent_required, current_person, hidden_group_ids
from app.accounts.models import Group, Person
from app.channels import held_mail
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Conflict, DomainError, Invalid, NotFound
from app.desk import menus, ticket_reading
from app.desk.forms import ReplyForm, clean_line
from app.desk.frame import viewer_zone
from app.desk.ticket_page import TicketPage
from app.desk.ticket_reading import TicketFacts
from app.desk.ticket_views import ReplyView
from app.routing import assignment
from app.search.lists import row_of
from app.tickets import attachments, conversation, lifecycle, properties, timeline
from app.tickets.attachments import StoredFile
from app.tickets.models import Comment, Ticket
from app.tickets.queries import get_visible
from app.tickets.words import Priority, Status, Visibility
from app.web.htmx import render, wants_fragment
from app.web.security import reads_first, takes_files

bp = Blueprint("desk", __name__)

SHOW = "desk/show.html"
CHANGED = ("sla", "newest_event", "head", "notice")


@bp.get("/desk/tickets/<number>")
@agent_required
def show(number: str) -> ResponseReturnValue:
    """The ticket: conversation, history or Why."""
    return render_template(SHOW, **_page(_load(number)))


@bp.get("/desk/tickets/<number>/<any(status, priority, assignment, tags):kind>")
@agent_required
def change_menu(number: str, kind: str) -> ResponseReturnValue:
    """The choices of one property: a popover's content, or a page without script."""
    ticket = _load(number)
    return render("desk/change.html", fragment="menu", **_menu(ticket, kind))


@bp.post("/desk/tickets/<number>/<any(status, priority, assignment, tags):kind>")
@agent_required
def change(number: str, kind: str) -> ResponseReturnValue:
    """Change one property."""
    person = current_person()
    ticket = get_visible(number, to=person, lock=True)
    try:
        notice = _CHANGES[kind](ticket, person)
    except DomainError as error:
        if isinstance(error, NotFound):
            raise
        db.session.rollback()
        return _refused(_load(number), kind, error)
    db.session.commit()
    return _changed(_load(number), notice)


@bp.post("/desk/tickets/<number>/comments")
@takes_files
@reads_first
@agent_required
def comment(number: str) -> ResponseReturnValue:
    """A public reply or an internal note."""
    form = ReplyForm()
    uploads = attachments.uploads_of(form.attachments.data)
    wrong = attachments.problems(uploads)
    if not form.validate_on_submit() or wrong:
        form.attachments.errors = (*form.attachments.errors, *wrong)
        return _not_sent(_load(number), form, 422)
    get_visible(number, to=current_person())  # before anything is kept on disk
    files = [attachments.store_upload(upload) for upload in uploads]
    begin_write()
    ticket = get_visible(number, to=current_person(), lock=True)
    try:
        added = _add(ticket, form, files)
    except (Invalid, Conflict) as error:
        db.session.rollback()
        form.body.errors = (error.message,)
        return _not_sent(_load(number), form, error.status)
    db.session.commit()
    sent = "Note added" if added.visibility is Visibility.INTERNAL else "Reply sent"
    fresh = _load(number)
    if wants_fragment():
        page = _page(fresh, notice=sent)
        also = ("composer", "properties", *CHANGED)
        return render(SHOW, fragment="conversation", also=also, **page)
    flash(sent, "success")
    return redirect(f"/desk/tickets/{fresh.number}#comment-{added.id}", 303)


def _add(ticket: Ticket, form: ReplyForm, files: list[StoredFile]) -> Comment:
    """The comment of a form; of one that was sent twice, the one that is there."""
    person, now, then = current_person(), utcnow(), form.then.data
    visibility = Visibility(form.visibility.data)
    body = form.body.data
    if then in ("keep", ticket.status.value):
        said = conversation.said_before(
            ticket, body, by=person, now=now, visibility=visibility, files=files
        )
        if said is not None:
            return said
    return conversation.reply(
        ticket, body, by=person, now=now, visibility=visibility, then=then, files=files
    )


@bp.post("/desk/tickets/<number>/held/<int(max=2147483647):held_id>")
@agent_required
def decide(number: str, held_id: int) -> ResponseReturnValue:
    """Accept a held mail, let its sender take part, make it a ticket, or discard it."""
    person = current_person()
    ticket = get_visible(number, to=person, lock=True)
    decision = request.form.get("decision", "")
    done = held_mail.decide(ticket, held_id, decision, by=person, now=utcnow())
    db.session.commit()
    flash(done, "success")
    return redirect(f"/desk/tickets/{ticket.number}", 303)


@bp.post("/desk/tickets/<number>/deletion")
@agent_required
def delete(number: str) -> ResponseReturnValue:
    """Hide the ticket everywhere (supervisors); it can be restored."""
    ticket = get_visible(number, to=current_person(), lock=True)
    lifecycle.delete(ticket, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"{ticket.number} is deleted. A supervisor can restore it.", "success")
    return redirect(f"/desk/tickets/{ticket.number}", 303)


@bp.post("/desk/tickets/<number>/restoration")
@agent_required
def restore(number: str) -> ResponseReturnValue:
    """Undo a deletion (supervisors)."""
    ticket = get_visible(number, to=current_person(), lock=True, deleted=True)
    lifecycle.restore(ticket, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"{ticket.number} is back.", "success")
    return redirect(f"/desk/tickets/{ticket.number}", 303)


def _load(number: str) -> TicketFacts:
    """The ticket for reading; supervisors may look at a deleted one."""
    return ticket_reading.find(number, to=current_person())


def _page(
    ticket: TicketFacts, *, problem: str = "", notice: str = "", reply: ReplyForm | None = None
) -> dict[str, Any]:
    """Everything that the ticket's page and its blocks need."""
    person = current_person()
    page = TicketPage(ticket, person, now=utcnow(), tz=viewer_zone(person))
    tab = request.args.get("tab", "conversation")
    if tab not in ("history", "why"):
        tab = "conversation"
    entries: list[Any] = []
    left_out = False
    if tab == "conversation":
        entries, left_out = page.entries(everything="all" in request.args)
    history, more = page.history(_before()) if tab == "history" else ([], None)
    over = ticket.status in (Status.CLOSED, Status.CANCELLED)
    older = f"/desk/tickets/{ticket.number}?tab=history&before={more}" if more else None
    return {
        "ticket": page.view(),
        "tab": tab,
        "entries": entries,
        "older_path": f"/desk/tickets/{ticket.number}?all=1" if left_out else "",
        "clocks": page.clock_views(),
        "sla_name": page.sla_name(),
        "requester": page.requester(),
        "held": page.held(),
        "newest": page.newest(),
        "history": history,
        "history_page": Pager("History", None, older) if older else None,
        "why": page.why() if tab == "why" else [],
        "reply": ReplyView.of(reply) if reply else ReplyView(),
        "reply_to": ticket.requester_name or "the customer",
        "cannot_reply": (
            f"This ticket is {ticket.status.label.lower()}: reopen it to reply. "
            "A note is seen by your team alone."
            if over
            else ""
        ),
        "back": ("/desk/", "Queue"),
        "problem": problem,
        "notice": notice,
        # These cost no statement; the menus of assignment and tags are fetched when opened.
        "menus": {kind: menus.menu(kind, ticket, person) for kind in ("status", "priority")},
    }


class Pager:
    """Links to the neighbours of a page."""

    def __init__(self, text: str, previous: str | None, next: str | None) -> None:
        self.text, self.previous, self.next = text, previous, next


def _before() -> int | None:
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _menu(ticket: TicketFacts, kind: str, problem: str = "") -> dict[str, Any]:
    person = current_person()
    page = TicketPage(ticket, person, now=utcnow(), tz=viewer_zone(person))
    part = "show" if request.values.get("part") == "show" else "row"
    return {
        "kind": kind,
        "part": part,
        "ticket": page.view(),
        "groups_of_choices": menus.menu(kind, ticket, person),
        "tags": ticket.tag_names,
        "known_tags": menus.known_tags() if kind == "tags" else [],
        "problem": problem,
        "back": _back(ticket, part),
    }


def _back(ticket: TicketFacts, part: str) -> str:
    """Where a browser without script goes on: a page of the desk, never another site."""
    wanted = request.values.get("back", "")
    if wanted.startswith("/desk/") and "\\" not in wanted and "\n" not in wanted:
        return wanted
    return f"/desk/tickets/{ticket.number}" if part == "show" else "/desk/"


def _refused(ticket: TicketFacts, kind: str, error: DomainError) -> ResponseReturnValue:
    """What was chosen and why not, beside the control."""
    context = _menu(ticket, kind, error.message)
    if not wants_fragment():
        return render_template("desk/change.html", oob=False, **context), error.status
    if context["part"] == "show":
        page = _page(ticket, problem=error.message)
        return render(SHOW, fragment="properties", status=error.status, **page)
    body = render_block("desk/change.html", "menu", oob=False, **context)
    response = make_response(body, error.status)
    response.headers["HX-Retarget"] = "#menu"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _changed(ticket: TicketFacts, notice: str) -> ResponseReturnValue:
    part = "show" if request.form.get("part") == "show" else "row"
    if not wants_fragment():
        flash(notice, "success")
        return redirect(_back(ticket, part), 303)
    if part == "show":
        page = _page(ticket, notice=notice)
        return render(SHOW, fragment="properties", also=CHANGED, **page)
    row = row_of(ticket.id, viewer=current_person(), now=utcnow())
    return render("desk/index.html", fragment="row", also=("notice",), row=row, notice=notice)


def _not_sent(ticket: TicketFacts, form: ReplyForm, status: int) -> ResponseReturnValue:
    """The composer with what was typed and what is wrong."""
    return render(SHOW, fragment="composer", status=status, **_page(ticket, reply=form))


def _version() -> int | None:
    text = request.form.get("version", "")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid("Reload the page; this form is broken.")
    return int(text)


def _change_status(ticket: Ticket, by: Person) -> str:
    try:
        to = Status.parse(request.form.get("status", ""))
    except ValueError:
        raise Invalid("Choose a status of the list.") from None
    timeline.refuse_stale(ticket, "status", version=_version(), chosen=to.label)
    if to is not ticket.status:
        lifecycle.change_status(ticket, to, by=by, now=utcnow())
    return f"{ticket.number} is {to.label.lower()} now"


def _change_priority(ticket: Ticket, by: Person) -> str:
    try:
        to = Priority.parse(request.form.get("priority", ""))
    except ValueError:
        raise Invalid("Choose a priority of the list.") from None
    timeline.refuse_stale(ticket, "priority", version=_version(), chosen=to.label)
    properties.change_priority(ticket, to, by=by, now=utcnow())
    return f"Priority of {ticket.number} is {to.label.lower()} now"


def _change_assignment(ticket: Ticket, by: Person) -> str:
    if "group" in request.form:
        group = _chosen(Group, request.form["group"])
        if group is not None and group.id in hidden_group_ids(by):
            raise Invalid("Choose a group of the list.")
        name = group.name if group else ""
        timeline.refuse_stale(ticket, "group", version=_version(), chosen=name)
        warning = assignment.assign(ticket, group=group, by=by, now=utcnow())
        return warning or (f"{ticket.number} is with {name} now" if name else "In no group now")
    agent = _chosen(Person, request.form.get("assignee", ""))
    if agent is not None and not (agent.is_agent and agent.is_active):
        raise Invalid("Choose somebody who works here.")
    name = agent.display_name if agent else ""
    timeline.refuse_stale(ticket, "assignee", version=_version(), chosen=name)
    warning = assignment.assign(ticket, agent=agent, by=by, now=utcnow())
    return warning or (f"{name} has {ticket.number} now" if name else "Nobody has it now")


def _chosen(model: type[Any], text: str) -> Any:
    """The row of an id from a form; "" is None."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Invalid("Choose somebody of the list.")
    row = db.session.get(model, int(text))
    if row is None:
        raise Invalid("Choose somebody of the list.")
    return row


def _change_tags(ticket: Ticket, by: Person) -> str:
    names = [clean_line(name) for name in request.form.get("tags", "").split(",")]
    timeline.refuse_stale(
        ticket, "tags", version=_version(), chosen=", ".join(properties.clean_tags(names))
    )
    properties.change_tags(ticket, names, by=by, now=utcnow())
    return f"Tags of {ticket.number} saved"


_CHANGES = {
    "status": _change_status,
    "priority": _change_priority,
    "assignment": _change_assignment,
    "tags": _change_tags,
}
