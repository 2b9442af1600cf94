"""Tickets over the API: thin resources over the same functions as the pages."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import sqlalchemy as sa
from flask import jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError

from app.accounts import customers
from app.accounts.access import hidden_group_ids
from app.accounts.models import Person
from app.api.access import agent, caller, limited_as_a_form, token_required
from app.api.etags import refuse_unread, tagged
from app.api.idempotency import done, idempotent
from app.api.v1 import answers, changes, examples, schemas
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.references import agent_of, category_ids, group_of
from app.channels import answers as replies
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, Opened, RequesterInput
from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Conflict, Forbidden, Invalid
from app.routing import assignment
from app.search import conditions, lists
from app.tickets import attachments, catalog, conversation, lifecycle, properties
from app.tickets.attachments import StoredFile
from app.tickets.filters import DEEPEST_ROW, TicketFilters, from_query
from app.tickets.models import Ticket
from app.tickets.portal_queries import Viewer, get_own
from app.tickets.queries import get_visible, refuse_hidden
from app.tickets.words import Source, Status, Visibility
from app.web import limits
from app.web.security import MAX_FILE, reads_first, takes_files

TEAM_FILTERS = ("tag", "group", "held")


FILTERS = [
    {"in": "query", "name": name, "schema": {"type": kind}, "description": text}
    for name, kind, text in (
        ("status", "string", "One or more, comma-separated or repeated; waiting means pending."),
        ("priority", "string", "One or more; medium means normal, urgent critical."),
        ("category", "string", "Keys of categories."),
        ("assignee", "string", "Ids or mail addresses, me, none."),
        ("group", "string", "Ids of groups, none."),
        ("requester", "string", "Ids or mail addresses."),
        ("tag", "string", "Any of these tags."),
        ("source", "string", "web, email, chat, api, phone."),
        ("created_after", "string", "A date or time (ISO 8601)."),
        ("created_before", "string", "A date or time (ISO 8601)."),
        ("due_after", "string", "A date or time (ISO 8601)."),
        ("due_before", "string", "A date or time (ISO 8601)."),
        ("q", "string", "Full text."),
    )
]
PAGES = [
    {"in": "query", "name": name, "schema": {"type": kind}, "description": text}
    for name, kind, text in (
        ("sort", "string", "created_at (default), updated_at, priority, due_at."),
        ("order", "string", "asc or desc."),
        ("limit", "integer", "Tickets a page: 20, at most 100."),
        ("page", "integer", "As far as 10,000 rows; then use cursor."),
        ("cursor", "string", "next_cursor of the page before."),
    )
]


@bp.route("/tickets", methods=["GET"], tags=["Tickets"])
@bp.doc(parameters=[*FILTERS, *PAGES], summary="List tickets")
@bp.response(200, schemas.TicketList, example=examples.TICKETS)
@documented(400)
@limited
@token_required
def list_tickets() -> ResponseReturnValue:
    """A page of the tickets that the caller may see; newest first."""
    filters = _filters()
    if filters.page * filters.limit > DEEPEST_ROW and not filters.cursor:
        message = f"Only the first {DEEPEST_ROW:,} rows have page numbers: use cursor."
        raise Invalid(message, {"page": "use cursor"})
    selection = conditions.select_for(filters, viewer=caller(), now=utcnow())
    found = lists.fetch(answers.TICKET, filters, selection)
    total = lists.count_capped(selection, cap=DEEPEST_ROW)
    return jsonify(
        tickets=answers.tickets(found.rows, caller()),
        total=min(total, DEEPEST_ROW),
        # Very common words and tags are counted among the newest tickets alone.
        total_is_estimate=total > DEEPEST_ROW
        or any(name.endswith("_each") for name in selection.names),
        page=filters.page,
        total_pages=-(-min(total, DEEPEST_ROW) // filters.limit),
        next_cursor=found.next or None,
    )


@bp.route("/tickets", methods=["POST"], tags=["Tickets"])
@reads_first
@bp.doc(summary="Open a ticket")
@limited
@limited_as_a_form(limits.TICKET_BY_IP)
@token_required
@bp.arguments(schemas.TicketIn, example=examples.TICKET_IN)
@bp.response(201, schemas.TicketDetail, example=examples.TICKET)
@documented(400, 403, 409)
@idempotent
def create(data: dict[str, Any]) -> ResponseReturnValue:
    """Open a ticket; a customer's is their own, an agent names the requester."""
    person = caller()
    new = new_ticket(data, person)
    begin_write()
    cache.forget_stamp()  # rules may have changed since the token was looked at
    opened = open_once(new)
    done()
    response = tagged(answers.detail(opened.id, person, now=utcnow()), 201)
    response.headers["Location"] = f"/api/v1/tickets/{opened.number}"
    return response


@bp.route("/tickets/<number>", methods=["GET"], tags=["Tickets"])
@bp.doc(summary="Show a ticket", parameters=[examples.IF_NONE_MATCH])
@bp.response(200, schemas.TicketDetail, example=examples.TICKET)
@bp.alt_response(304, description="As it was read.", success=True)
@documented(404)
@limited
@token_required
def show(number: str) -> ResponseReturnValue:
    """The ticket with its comments, oldest first, and its SLA clocks."""
    return _shown(load(number))


@bp.route("/tickets/<number>", methods=["PATCH"], tags=["Tickets"])
@bp.doc(summary="Change a ticket", parameters=[examples.IF_MATCH])
@limited
@token_required
@bp.arguments(schemas.TicketChange, example={"priority": "high", "version": 5})
@bp.response(200, schemas.TicketDetail, example=examples.TICKET)
@documented(400, 403, 404, 409, 412)
def change(data: dict[str, Any], number: str) -> ResponseReturnValue:
    """Change some fields at once, all or none."""
    person = agent()
    ticket = get_visible(number, to=person, lock=True)
    refuse_unread(ticket)
    changes.apply(ticket, data, by=person, version=data.get("version"))
    db.session.commit()
    return _shown(ticket)


@bp.route("/tickets/<number>", methods=["DELETE"], tags=["Tickets"])
@bp.doc(summary="Delete a ticket", parameters=[examples.IF_MATCH])
@bp.response(204)
@documented(403, 404, 409, 412)
@limited
@token_required
def delete(number: str) -> ResponseReturnValue:
    """Hide it everywhere (supervisors and admins); it can be restored."""
    ticket = get_visible(number, to=agent(), lock=True)
    refuse_unread(ticket)
    lifecycle.delete(ticket, by=caller(), now=utcnow())
    db.session.commit()
    return "", 204


@bp.route("/tickets/<number>/comments", methods=["GET"], tags=["Tickets"])
@bp.doc(summary="List comments")
@bp.response(200, schemas.CommentList, example={"comments": [examples.COMMENT]})
@documented(404)
@limited
@token_required
def list_comments(number: str) -> ResponseReturnValue:
    """Comments, oldest first; customers see the public ones."""
    return jsonify(comments=answers.comments(load(number).id, caller()))


@bp.route("/tickets/<number>/comments", methods=["POST"], tags=["Tickets"])
@takes_files
@reads_first
@bp.doc(summary="Add a comment")
@limited
@limited_as_a_form(limits.REPLY_BY_IP)
@token_required
@bp.arguments(schemas.CommentIn, example=examples.COMMENT_IN)
@bp.response(201, schemas.CommentOut, example=examples.COMMENT)
@documented(400, 403, 404, 409)
@idempotent
def add_comment(data: dict[str, Any], number: str) -> ResponseReturnValue:
    """A public reply or an internal note; a customer's comment is always public."""
    person = caller()
    load(number)  # before anything is kept on disk
    files = [_file(file) for file in data["attachments"]]
    begin_write()
    ticket = load(number, lock=True)
    if person.is_agent:
        comment = conversation.reply(
            ticket,
            data["body"],
            by=person,
            now=utcnow(),
            visibility=data["visibility"],
            files=files,
            source=Source.API,
        )
    elif data["visibility"] is Visibility.INTERNAL:
        raise Forbidden("Internal notes are the team's.")
    else:
        reply = replies.Reply(data["body"], Source.API, files)
        received = replies.receive(ticket, reply, by=person, now=utcnow())
        if received.comment is None:
            response = jsonify(answers.detail(received.ticket_id, person, now=utcnow()))
            response.headers["Location"] = f"/api/v1/tickets/{received.number}"
            return response, 201
        comment = received.comment
    db.session.flush()
    return jsonify(answers.comments(ticket.id, person, comment.id)[0]), 201


@bp.route("/tickets/<number>/assign", methods=["POST"], tags=["Tickets"])
@bp.doc(summary="Assign a ticket", parameters=[examples.IF_MATCH])
@limited
@token_required
@bp.arguments(schemas.AssignmentIn, example={"agent": "priya@desk.example"})
@bp.response(200, schemas.TicketDetail, example=examples.TICKET)
@documented(400, 403, 404, 409, 412)
@idempotent
def assign(data: dict[str, Any], number: str) -> ResponseReturnValue:
    """Give it to an agent, a group, or both; over the agent's limit the answer warns."""
    person = agent()
    ticket = get_visible(number, to=person, lock=True)
    refuse_unread(ticket)
    if not data:
        raise Invalid("Name an agent or a group.", {"agent": "Name an agent or a group."})
    who = agent_of(data["agent"]) if "agent" in data else ...
    group = group_of(data["group"]) if "group" in data else ...
    try:
        warning = assignment.assign(ticket, agent=who, group=group, by=person, now=utcnow())
    except Invalid as error:  # elsewhere the field is called assignee
        raise Invalid(error.message, {"agent": error.message}) from error
    db.session.flush()
    body = answers.detail(ticket.id, person, now=utcnow())
    return tagged({**body, "warning": warning} if warning else body)


def _move(number: str, to: Status) -> ResponseReturnValue:
    person = agent()
    ticket = get_visible(number, to=person, lock=True)
    refuse_unread(ticket)
    lifecycle.change_status(ticket, to, by=person, now=utcnow())
    db.session.flush()
    return tagged(answers.detail(ticket.id, person, now=utcnow()))


@bp.route("/tickets/<number>/resolve", methods=["POST"], tags=["Tickets"])
@bp.doc(summary="Resolve a ticket", parameters=[examples.IF_MATCH])
@bp.response(200, schemas.TicketDetail, example=examples.TICKET)
@documented(403, 404, 409, 412)
@limited
@token_required
@idempotent
def resolve(number: str) -> ResponseReturnValue:
    """Stops the clocks and stamps resolved_at."""
    return _move(number, Status.RESOLVED)


@bp.route("/tickets/<number>/close", methods=["POST"], tags=["Tickets"])
@bp.doc(summary="Close a ticket", parameters=[examples.IF_MATCH])
@bp.response(200, schemas.TicketDetail, example=examples.TICKET)
@documented(403, 404, 409, 412)
@limited
@token_required
@idempotent
def close(number: str) -> ResponseReturnValue:
    """Stamps closed_at (and resolved_at, if unset)."""
    return _move(number, Status.CLOSED)


@bp.route("/tickets/<number>/reopen", methods=["POST"], tags=["Tickets"])
@bp.doc(summary="Reopen a ticket", parameters=[examples.IF_MATCH])
@bp.response(200, schemas.TicketDetail, example=examples.TICKET)
@documented(403, 404, 409, 412)
@limited
@token_required
@idempotent
def reopen(number: str) -> ResponseReturnValue:
    """Open again what was resolved, closed or (supervisors) cancelled."""
    return _move(number, Status.OPEN)


@bp.route("/tickets/<number>/history", methods=["GET"], tags=["Tickets"])
@bp.doc(summary="Show the history of a ticket")
@bp.response(200, schemas.History, example=examples.HISTORY)
@documented(403, 404)
@limited
@token_required
def history(number: str) -> ResponseReturnValue:
    """Who changed what, when; oldest first."""
    return jsonify(history=answers.history(get_visible(number, to=agent()).id))


@bp.route("/statistics", methods=["GET"], tags=["Tickets"])
@bp.doc(parameters=FILTERS, summary="Count tickets")
@bp.response(200, schemas.StatisticsOut, example=examples.STATISTICS)
@documented(400)
@limited
@token_required
def statistics() -> ResponseReturnValue:
    """Exact counts under the same filters as the list."""
    found = lists.statistics(_filters(), viewer=caller(), now=utcnow())
    return jsonify(
        total=found.total,
        by_status=found.by_status,
        by_priority=found.by_priority,
        by_category=found.by_category,
        by_assignee={str(key or "none"): count for key, count in found.by_assignee.items()},
    )


def open_once(new: NewTicket) -> Opened:
    """Take a ticket in; of two with one external id at the same moment, one is told to come again.

    Raises:
        Conflict: the external id is taken.
    """
    try:
        return take_in(new, now=utcnow())
    except IntegrityError:  # PostgreSQL: the other one has committed since we looked
        db.session.rollback()
        raise Conflict("A ticket with this external id is being opened. Ask again.") from None


def new_ticket(data: dict[str, Any], person: Person) -> NewTicket:
    """What is to be opened; a customer's is their own, and has only what they see.

    Raises:
        Invalid: the category or a custom field will not do, or is not theirs to set.
        Forbidden: it would add an address to somebody who asks what *person* may not see.
    """
    asker = data["requester"]
    if not person.is_agent or asker is None:
        requester = RequesterInput(person_id=person.id)
    else:
        _refuse_address(asker, by=person)
        requester = RequesterInput(**asker)
    category_id, subcategory_id = category_ids(data["category"], data["subcategory"])
    if not person.is_agent and data["external_id"] is not None:
        # The next import of this id would write somebody else's ticket into theirs.
        message = "Only for agents."
        raise Invalid(message, {"external_id": message})
    if not person.is_agent:  # nobody sets what they do not see
        properties.clean_custom_fields(
            category_id or catalog.default_category().id,
            data["custom_fields"],
            complete=False,
            public_only=True,
        )
    return NewTicket(
        subject=data["subject"],
        description=data["description"],
        requester=requester,
        source=data["source"] if person.is_agent else Source.API,
        category_id=category_id,
        subcategory_id=subcategory_id,
        priority=data["priority"],
        channel=data["channel"],
        tags=data["tags"] if person.is_agent else (),
        custom_fields=data["custom_fields"],
        external_id=data["external_id"],
        by=person,
    )


def _refuse_address(asker: dict[str, Any], *, by: Person) -> None:
    """An address that nobody has yet becomes one more of whoever has the external id."""
    if asker["external_id"] is None or not hidden_group_ids(by):
        return
    owner = db.session.scalar(sa.select(Person).where(Person.external_id == asker["external_id"]))
    if owner is not None and customers.by_address(asker["email"]) is None:
        refuse_hidden(owner, by=by)


def _filters() -> TicketFilters:
    """What the query asks for; what a customer does not see, they cannot find out by filters."""
    if caller().is_agent:
        return from_query(request.args)
    internal = [name for name in TEAM_FILTERS if any(map(str.strip, request.args.getlist(name)))]
    # Not read beside these: what is wrong with one would tell which groups there are.
    filters = TicketFilters() if internal else from_query(request.args)
    if filters.sort == "updated_at":  # notes move it
        internal.append("sort")
    if any("@" in agent for agent in filters.assignee):  # customers see agents by name
        internal.append("assignee")
    if internal:
        errors = dict.fromkeys(internal, "Only for agents.")
        raise Invalid("These filters are for agents.", errors)
    return filters


def load(number: str, *, lock: bool = False) -> Ticket:
    """The ticket as the caller may see it.

    Raises:
        NotFound: unknown and foreign alike.
    """
    person = caller()
    if person.is_agent:
        return get_visible(number, to=person, lock=lock)
    return get_own(number, to=Viewer(person), lock=lock)


def _shown(ticket: Ticket) -> ResponseReturnValue:
    return tagged(answers.detail(ticket.id, caller(), now=utcnow()))


def _file(data: dict[str, Any]) -> StoredFile:
    try:
        content = base64.b64decode(data["data"], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("A file is no base64.", {"attachments": "data must be base64."}) from None
    if not 0 < len(content) <= MAX_FILE:
        message = "A file has 1 byte to 25 MB."
        raise Invalid(message, {"attachments": message})
    return attachments.store_bytes(content, data["filename"], data["content_type"])
