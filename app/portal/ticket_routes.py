"""A customer's tickets: the list, one ticket, replying, solving, reopening, its files."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, flash, make_response, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from app.accounts import links
from app.accounts.access import current_person, everyone, signed_in
from app.accounts.directory import zone_of
from app.channels import answers
from app.channels.answers import Received, Reply
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import DomainError, Invalid, NotFound
from app.core.paging import MOST_ID, Page
from app.portal.forms import LinkForm, ReplyForm
from app.portal.pages import TicketPage, row_view
from app.portal.viewing import find_own, remember_access
from app.tickets import attachments, conversation, keys, lifecycle, notifications, portal_queries
from app.tickets.mail_models import TicketAccess
from app.tickets.models import Participant, Ticket
from app.tickets.portal_queries import OwnTicket, Viewer
from app.tickets.queries import NUMBER
from app.tickets.serving import serve
from app.tickets.timeline import record
from app.tickets.words import EventKind, ParticipantKind, Source, Status
from app.web import limits
from app.web.htmx import render, wants_fragment
from app.web.security import reads_first, takes_files

bp = Blueprint("portal", __name__)

LINK_SENT = "link_sent_to"  # in the session: which address was typed
NOT_SOLVED = "It is not solved yet, so I open this again."


@bp.get("/tickets")
@signed_in
def index() -> ResponseReturnValue:
    """Everything of the viewer, newest first; what waits for them stands on top."""
    now, person = utcnow(), current_person()
    tz = zone_of(person)
    before, after = _number("before"), _number("after")
    organization = portal_queries.shared_organization(person)
    waiting = portal_queries.waiting(person, organization)
    is_crowded = len(waiting) > portal_queries.MOST_WAITING  # then they stand in the list as well
    del waiting[portal_queries.MOST_WAITING :]
    rows, goes_on = portal_queries.page(
        person, organization, before=before, after=after, with_waiting=is_crowded
    )
    is_first = before is None and (after is None or not goes_on)
    has_older = bool(rows) and (after is not None or goes_on)
    page = Page(
        "Newest first" if is_first else "Older tickets",
        None if is_first or not rows else f"/tickets?after={rows[0].id}",
        f"/tickets?before={rows[-1].id}" if has_older else None,
    )
    return render_template(
        "portal/index.html",
        waiting=[row_view(row, person, now=now, tz=tz) for row in waiting] if is_first else [],
        rows=[row_view(row, person, now=now, tz=tz) for row in rows],
        page=page,
        organization=organization.name if organization else "",
    )


@bp.get("/tickets/<number>")
@everyone
def show(number: str) -> ResponseReturnValue:
    """The conversation. A link's key is first traded for a cookie, and leaves the address."""
    clean = _clean_path(number)
    if "key" in request.args:
        return _trade(number, request.args["key"])
    if request.path != clean:
        return redirect(clean, 303)
    try:
        own, viewer = find_own(number)
    except NotFound:
        return _link_page(number, LinkForm(formdata=None), status=404)
    if own.number != number.upper():  # it was merged: a guest's cookie is for its path alone
        flash(f"{number.upper()} goes on here, as {own.number}.", "success")
        response = make_response(redirect(f"/tickets/{own.number}", 303))
        if viewer.access is not None:
            remember_access(response, own.number, viewer.access)
        return response
    return _page(own, viewer)


@bp.post("/tickets/<number>/comments")
@limits.by_ip(limits.REPLY_BY_IP)
@everyone
@takes_files
@reads_first
def comment(number: str) -> ResponseReturnValue:
    """Reply; on a ticket that is long over this opens its follow-up."""
    return _say(number, notice="We have your reply", must_say=True)


@bp.post("/tickets/<number>/resolution")
@limits.by_ip(limits.REPLY_BY_IP)
@everyone
@takes_files
@reads_first
def resolve(number: str) -> ResponseReturnValue:
    """The customer says that it is solved, and perhaps a last word."""
    return _say(number, notice="Good to hear. Thank you for telling us.", solves=True)


@bp.post("/tickets/<number>/reopening")
@limits.by_ip(limits.REPLY_BY_IP)
@everyone
@takes_files
@reads_first
def reopen(number: str) -> ResponseReturnValue:
    """It is not solved: whoever had the ticket hears of it as of any reply."""
    return _say(number, notice="It is open again", preset=NOT_SOLVED)


@bp.get("/tickets/<number>/link")
@everyone
def show_link(number: str) -> ResponseReturnValue:
    """Where to have a new link sent, and that it was, if the address was right."""
    _clean_path(number)
    return _link_page(number, LinkForm(formdata=None), sent_to=session.pop(LINK_SENT, ""))


@bp.post("/tickets/<number>/link")
@limits.by_ip(limits.LINK_BY_IP)
@limits.by_address(limits.LINK_BY_ADDRESS)
@everyone
def mail_link(number: str) -> ResponseReturnValue:
    """Mail a new link to an address that belongs to the ticket; the answer is always the same."""
    _clean_path(number)
    form = LinkForm()
    if not form.validate_on_submit():
        return _link_page(number, form, status=422)
    found = portal_queries.may_have_link(number, form.email.data)
    if found is not None:
        ticket, recipient = found
        notifications.tell_customers(
            "ticket_link", ticket, [recipient], context={}, now=utcnow(), is_automatic=True
        )
    else:
        links.pretend(now=utcnow())
    db.session.commit()
    session[LINK_SENT] = form.email.data
    return redirect(f"/tickets/{number.upper()}/link", 303)


@bp.get("/tickets/<number>/attachments/<int(max=2147483647):attachment_id>/<name>")
@everyone
def attachment(number: str, attachment_id: int, name: str) -> ResponseReturnValue:
    """A file of the description or of a public comment; *name* is for people."""
    own, _ = find_own(number)
    file = attachments.find(own.id, attachment_id, with_internal=False)
    if file is None:
        raise NotFound("There is no such file.")
    return serve(file)


def _clean_path(number: str) -> str:
    """The address of a ticket's page.

    Raises:
        NotFound: *number* is none.
    """
    if not NUMBER.fullmatch(number):
        raise NotFound("There is no such page.")
    return f"/tickets/{number.upper()}"


def _trade(number: str, key: str) -> ResponseReturnValue:
    """A cookie for a good key. A bad one looks like none: the page itself says what to do."""
    response = make_response(redirect(_clean_path(number), 303))
    access = keys.open_key(key)
    if access is not None:
        viewer = Viewer.by_access(access)
        with suppress(NotFound):
            own = portal_queries.show_own(number, to=viewer)
            if viewer.person.is_active:
                response = make_response(redirect(f"/tickets/{own.number}", 303))
                remember_access(response, own.number, access)
    return response


def _say(
    number: str, *, notice: str, must_say: bool = False, preset: str = "", solves: bool = False
) -> ResponseReturnValue:
    """Take a customer's words and files, or their mere word that it is (not) solved.

    Args:
        must_say: an empty form is refused.
        preset: what an empty form says.
        solves: the ticket is resolved then.
    """
    own, viewer = find_own(number)
    form = ReplyForm()
    is_right = form.validate()
    body = form.body.data or ("" if form.has_files else preset)
    if must_say and not body and not form.has_files:
        form.add_error("body", "Write something first.")
    if not is_right or form.errors:
        form.keep_files()
        return _page(own, viewer, reply=form, status=422)
    reply = Reply(body, Source.WEB, form.store_files())
    begin_write()
    ticket = portal_queries.get_own(number, to=viewer, lock=True)
    try:
        received = _receive(ticket, reply, viewer)
        if solves and ticket.status is not Status.RESOLVED:
            lifecycle.change_status(ticket, Status.RESOLVED, by=viewer.person, now=utcnow())
    except DomainError as error:
        db.session.rollback()
        form.keep_files()
        own, viewer = find_own(number)
        return _page(own, viewer, reply=form, problem=error.message, status=error.status)
    if received is not None and received.comment is None:
        return _gone_on(received, viewer)
    db.session.commit()
    if wants_fragment():
        return _page(*find_own(number))
    flash(notice, "success")
    anchor = f"#comment-{received.comment.id}" if received and received.comment else ""
    # A guest's cookie is for the number of its link, which leads to where a merged one goes on.
    return redirect(f"/tickets/{number.upper()}{anchor}", 303)


def _receive(ticket: Ticket, reply: Reply, viewer: Viewer) -> Received | None:
    """Take the reply in, if there is one; a colleague who writes takes part from then on."""
    if not reply.body and not reply.files:
        return None
    now, person = utcnow(), viewer.person
    said = conversation.said_before(ticket, reply.body, by=person, now=now, files=reply.files)
    if said is not None:
        return Received(ticket.id, ticket.number, said)
    if not portal_queries.takes_part(ticket, person):
        kind = ParticipantKind.FOLLOWER
        db.session.add(
            Participant(ticket_id=ticket.id, person_id=person.id, kind=kind, created_at=now)
        )
        name = person.display_name
        record(ticket, EventKind.PARTICIPANT, by=person, now=now, new=f"{name} takes part now")
    return answers.receive(ticket, reply, by=person, now=now)


def _gone_on(received: Received, viewer: Viewer) -> ResponseReturnValue:
    """The reply came too late and opened a ticket that follows up: commit, and go there."""
    path, now = f"/tickets/{received.number}", utcnow()
    if wants_fragment():
        response = make_response("", 200, {"HX-Redirect": path})
    else:
        response = make_response(redirect(path, 303))
    if viewer.ticket_id is not None:  # a guest's cookie opens the old ticket alone
        access_ids = keys.access_rows(received.ticket_id, [viewer.person.id], now=now)
        access = db.session.get_one(TicketAccess, access_ids[viewer.person.id])
        remember_access(response, received.number, access)
    db.session.commit()
    flash("The old ticket was over, so we made this one of your message.", "success")
    return response


def _page(
    own: OwnTicket,
    viewer: Viewer,
    *,
    reply: ReplyForm | None = None,
    problem: str = "",
    status: int = 200,
) -> ResponseReturnValue:
    """The ticket's page; two statements beside those that found the ticket."""
    page = TicketPage(own, viewer.person, now=utcnow(), tz=zone_of(viewer.person))
    before = _number("before")
    comments, has_older = portal_queries.comments(own.id, before=before)
    files = attachments.chips(own.id, page.path, with_internal=False)
    entries = [page.comment(row, files[row.id]) for row in comments]
    if not has_older:  # a merge may have brought what is older
        place = sum(row.created_at < own.created_at for row in comments)
        entries.insert(place, page.description(files[None]))
    return render(
        "portal/show.html",
        fragment="main",
        status=status,
        ticket=page.view(),
        entries=entries,
        older_path=f"{page.path}?before={comments[0].id}" if has_older else "",
        newest_path=page.path if before is not None else "",
        reply=reply or ReplyForm(formdata=None),
        reply_hint=page.reply_hint,
        problem=problem,
    )


def _link_page(
    number: str, form: LinkForm, *, sent_to: str = "", status: int = 200
) -> ResponseReturnValue:
    """The same for a number that nobody has, and for one that is somebody else's."""
    page = render_template("portal/link.html", number=number.upper(), form=form, sent_to=sent_to)
    return make_response(page, status)


def _number(name: str) -> int | None:
    """A row's id in the query.

    Raises:
        Invalid: it is none.
    """
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= MOST_ID):
        raise Invalid("There is no such page of this list. Start from its first one.")
    return int(text)
