"""One ticket on the desk: reading, changing in place, replying, deciding about held mail."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2_fragments.flask import render_block

from app.accounts.access import agent_required, current_person
from app.accounts.directory import zone_of
from app.channels import held_mail
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from app.core.settings_store import setting
from app.desk import changes, menus, ticket_reading
from app.desk.forms import ReplyForm
from app.desk.mail_strips import mail_strips
from app.desk.people_strip import people_strip
from app.desk.ticket_page import TicketPage
from app.desk.ticket_reading import TicketFacts
from app.desk.ticket_views import ReplyView
from app.integrations import context
from app.search.lists import row_of
from app.tickets import attachments, conversation, lifecycle, macros, undoing
from app.tickets.attachments import StoredFile
from app.tickets.kept_files import keep
from app.tickets.models import Comment, Ticket
from app.tickets.queries import Merged, get_visible
from app.tickets.words import Status, Visibility
from app.web.htmx import render, wants_fragment
from app.web.security import reads_first, takes_files

bp = Blueprint("desk", __name__)

SHOW = "desk/show.html"
CHANGED = ("sla", "newest_event", "head", "mail", "notice")
KINDS = ", ".join(changes.CHANGES)
SENT = {
    "keep": "Reply sent",
    "pending": "Reply sent, the ticket waits for the customer now",
    "resolved": "Reply sent, the ticket is resolved",
}
TYPED = ("tags", "subject", "fields")  # a refusal brings back what was typed


@bp.get("/desk/tickets/<number>")
@agent_required
def show(number: str) -> ResponseReturnValue:
    """The ticket: conversation, history or Why. The conversation of a merged one goes on elsewhere,
    its history stays with its number."""
    ticket = load(number)
    if ticket.merged_into and "tab" not in request.args:
        with suppress(NotFound):  # in a private group, the survivor may be hidden
            survivor = load(ticket.merged_into)
            return redirect(f"/desk/tickets/{survivor.number}", 302)
    return render_template(SHOW, **page_of(ticket))


@bp.get(f"/desk/tickets/<number>/<any({KINDS}):kind>")
@agent_required
def change_menu(number: str, kind: str) -> ResponseReturnValue:
    """The choices of one property: a popover's content, or a page without script."""
    ticket = load(number)
    return render("desk/change.html", fragment="menu", **_menu(ticket, kind))


@bp.post(f"/desk/tickets/<number>/<any({KINDS}):kind>")
@agent_required
def change(number: str, kind: str) -> ResponseReturnValue:
    """Change one property."""
    person = current_person()
    ticket = get_visible(number, to=person, lock=True)
    try:
        notice = changes.apply(kind, ticket, by=person)
    except DomainError as error:
        if isinstance(error, NotFound):
            raise
        db.session.rollback()
        return _refused(load(number), kind, error)
    db.session.commit()
    return _changed(load(number), notice)


@bp.post("/desk/tickets/<number>/comments")
@takes_files
@reads_first
@agent_required
def comment(number: str) -> ResponseReturnValue:
    """A public reply or an internal note."""
    form = ReplyForm()
    uploads = attachments.uploads_of(form.attachments.data)
    wrong = attachments.problems(uploads, kept=len(form.kept))
    if not form.validate_on_submit() or wrong:
        form.attachments.errors = (*form.attachments.errors, *wrong)
        facts = load(number)
        form.keep_files()
        return _not_sent(facts, form, 422)
    get_visible(number, to=current_person())  # before anything is kept on disk
    files = [attachments.store_upload(upload) for upload in uploads]
    files = [*(kept.file for kept in form.kept), *files]
    begin_write()
    try:
        ticket = get_visible(number, to=current_person(), lock=True)
        added = _add(ticket, form, files)
    except (Invalid, Conflict) as error:
        db.session.rollback()
        form.kept = [keep(file) for file in files]
        form.body.errors = (error.message,)
        if isinstance(error, Merged):  # what was written can be sent there
            number = error.into
            form.body.errors = (f"{error.message} Send it once more to answer there.",)
        return _not_sent(load(number), form, error.status)
    db.session.commit()
    internal = added.visibility is Visibility.INTERNAL
    sent = "Note added" if internal else SENT[form.then.data]
    fresh = load(number)
    if wants_fragment():
        return talk_changed(fresh, sent)
    if added.undo_until is None:  # else the page says so by itself, with a button to undo it
        flash(sent, "success")
    return redirect(f"/desk/tickets/{fresh.number}#comment-{added.id}", 303)


def talk_changed(
    ticket: TicketFacts, notice: str, *, status: int = 200, **how: Any
) -> ResponseReturnValue:
    """The conversation, and all that changes with it, for htmx."""
    page = page_of(ticket, notice=notice, **how)
    also = ("composer", "properties", *CHANGED)
    return render(SHOW, fragment="conversation", also=also, status=status, **page)


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
    wait = timedelta(seconds=setting("undo_seconds"))
    added = conversation.reply(
        ticket,
        body,
        by=person,
        now=now,
        visibility=visibility,
        then=then,
        files=files,
        undo_until=now + wait if wait else None,
        audience=form.audience,
    )
    undoing.drop_draft(ticket, by=person)
    return added


@bp.post("/desk/tickets/<number>/held/<int(max=2147483647):held_id>")
@agent_required
def decide(number: str, held_id: int) -> ResponseReturnValue:
    """Accept a held mail, let its sender take part, make it a ticket, or discard it."""
    person = current_person()
    ticket = get_visible(number, to=person, lock=True)
    decision = request.form.get("decision", "")
    try:
        done = held_mail.decide(ticket, held_id, decision, by=person, now=utcnow())
    except (Conflict, Forbidden, Invalid) as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
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


def load(number: str) -> TicketFacts:
    """The ticket for reading; supervisors may look at a deleted one."""
    return ticket_reading.find(number, to=current_person())


def page_of(
    ticket: TicketFacts,
    *,
    problem: str = "",
    notice: str = "",
    reply: ReplyForm | None = None,
    focus: bool = False,
) -> dict[str, Any]:
    """Everything that the ticket's page and its blocks need.

    Args:
        focus: put the cursor into a reply that was taken back.
    """
    person = current_person()
    page = TicketPage(ticket, person, now=utcnow(), tz=zone_of(person))
    tab = _tab()
    entries: list[Any] = []
    left_out = False
    if tab == "conversation":
        entries, left_out = page.entries(everything="all" in request.args)
    history, more = page.history(_before()) if tab == "history" else ([], None)
    written = _composer(ticket, reply, focus=focus)
    people = people_strip(ticket, person, left_out=written.left_out)
    view = page.view()
    clocks, view.due_label = page.clock_views()
    older = f"/desk/tickets/{ticket.number}?tab=history&before={more}" if more else None
    return {
        "ticket": view,
        "tab": tab,
        "entries": entries,
        "older_path": f"/desk/tickets/{ticket.number}?all=1" if left_out else "",
        "clocks": clocks,
        "sla_name": page.sla_name(),
        "requester": page.requester(),
        "held": page.held(),
        "undelivered": page.undelivered(),
        "newest": page.newest(),
        "history": history,
        "history_page": Pager("History", None, older) if older else None,
        "why": page.why() if tab == "why" else [],
        "reply": written,
        "read": max((e.id for e in entries if isinstance(getattr(e, "id", ""), int)), default=0),
        "has_context": context.is_on(),
        "macros": macros.active(),
        "undo": page.undo,
        "people": people,
        "mail": mail_strips(ticket, people, entries, now=page.now, tz=page.tz),
        "people_problem": "",
        "typed_address": "",
        "cannot_reply": _why_no_reply(ticket),
        "back": ("/desk/", "Queue"),
        "problem": problem,
        "notice": notice,
        # These cost no statement; the menus of assignment and tags are fetched when opened.
        "menus": {kind: menus.menu(kind, ticket, person) for kind in ("status", "priority")},
    }


def _tab() -> str:
    tab = request.args.get("tab", "")
    return tab if tab in ("history", "why") else "conversation"


def _why_no_reply(ticket: TicketFacts) -> str:
    """What stands in the composer of a ticket that is over; "" where it can be answered."""
    if ticket.status not in (Status.CLOSED, Status.CANCELLED):
        return ""
    ended = ticket.status.label.lower()
    return f"This ticket is {ended}: reopen it to reply. A note is seen by your team alone."


def _composer(ticket: TicketFacts, form: ReplyForm | None, *, focus: bool) -> ReplyView:
    """What was refused, else what was taken back, else nothing."""
    if form is not None:
        return ReplyView.of(form, form.kept)
    if ticket.draft is None:
        return ReplyView()
    return ReplyView.of_draft(ticket.draft, ticket.draft_files or [], focus=focus)


class Pager:
    """Links to the neighbours of a page."""

    def __init__(self, text: str, previous: str | None, next: str | None) -> None:
        self.text, self.previous, self.next = text, previous, next


def _before() -> int | None:
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _menu(ticket: TicketFacts, kind: str, error: DomainError | None = None) -> dict[str, Any]:
    person = current_person()
    page = TicketPage(ticket, person, now=utcnow(), tz=zone_of(person))
    part = "show" if request.values.get("part") == "show" else "row"
    only = request.args.get("only", "")
    tags: list[menus.Choice] = []
    typed = request.form.get("subject", ticket.subject) if kind == "subject" else ""
    if kind == "tags":
        chosen = request.form.getlist("tags") if error else ticket.tag_names
        tags, typed = menus.tags([name.strip() for text in chosen for name in text.split(",")])
    return {
        "kind": kind,
        "part": part,
        "ticket": page.view(),
        "groups_of_choices": menus.menu(kind, ticket, person, only=only),
        "tags": tags,
        "typed": typed,
        "fields": menus.fields(ticket, request.form if error else None),
        "problem": error.message if error else "",
        "errors": getattr(error, "errors", {}),
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
    context = _menu(ticket, kind, error)
    if not wants_fragment():
        return render_template("desk/change.html", oob=False, **context), error.status
    if context["part"] == "show" and kind not in TYPED:
        page = page_of(ticket, problem=error.message)
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
        page = page_of(ticket, notice=notice)
        return render(SHOW, fragment="properties", also=CHANGED, **page)
    row = row_of(ticket.id, viewer=current_person(), now=utcnow())
    return render("desk/index.html", fragment="row", also=("notice",), row=row, notice=notice)


def _not_sent(ticket: TicketFacts, form: ReplyForm, status: int) -> ResponseReturnValue:
    """The composer with what was typed and what is wrong."""
    # Perhaps somebody wrote meanwhile.
    also = ("conversation",) if status == Conflict.status else ()
    page = page_of(ticket, reply=form)
    return render(SHOW, fragment="composer", also=also, status=status, **page)
