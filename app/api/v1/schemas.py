"""What comes in and goes out, checked and described."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.accounts.people import normal_address
from app.api.base import Schema
from app.core.errors import Invalid
from app.tickets.words import ClockState, EventKind, Priority, Source, Status, Target, Visibility


class Text(fields.String):
    """A text that every database can hold: no NUL, no lone surrogates."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        if text is not None and ("\x00" in text or not _is_unicode(text)):
            raise ValidationError("Contains a character that cannot be stored.")
        return text


class Line(Text):
    """The same on one line, without white space around it."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        return " ".join(text.split()) if text is not None else None


def key_in_path(value: str) -> str:
    """Another program's id as it stands in an address, in the form in which it is stored.

    Raises:
        Invalid: it cannot be one.
    """
    try:
        return str(Line(validate=validate.Length(1, 255)).deserialize(value))
    except ValidationError as error:
        told = " ".join(map(str, error.messages))
        raise Invalid("This external id will not do.", {"external_id": told}) from None


class Named(fields.Raw):
    """Somebody or a group by id, mail address or name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": ["integer", "string"]}, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValidationError("Must be an id, a mail address or a name.")
        return Text().deserialize(value) if isinstance(value, str) else value


class Moment(fields.AwareDateTime):
    """A time that every zone of the world can show; read as UTC."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        moment = super()._deserialize(value, *args, **kwargs)
        if not 1970 <= moment.year < 3000:
            raise ValidationError("Must lie between the years 1970 and 3000.")
        return moment.astimezone(UTC)


class Word(fields.String):
    """A word of one of our lists, with the other words that are known for it."""

    def __init__(self, parse: Any, words: list[str], **kwargs: Any) -> None:
        super().__init__(metadata={"enum": words}, **kwargs)
        self._parse, self._words = parse, words

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        if text is None:
            return None
        try:
            return self._parse(text)
        except ValueError:
            raise ValidationError(f"Must be one of: {', '.join(self._words)}.") from None


def in_part(schema: type[Schema]) -> Schema:
    """*schema* of which no field has to be there; what is there is whole inside."""
    return schema(partial=tuple(schema._declared_fields))


def status_field(**kwargs: Any) -> Word:
    """A status; ``waiting`` means pending."""
    return Word(Status.parse, [s.value for s in Status], **kwargs)


def priority_field(**kwargs: Any) -> Word:
    """A priority; ``medium`` means normal and ``urgent`` critical."""
    return Word(Priority.parse, [p.value for p in Priority], **kwargs)


def says_something(value: str) -> None:
    """Refuse white space alone."""
    if not value.strip():
        raise ValidationError("Write something.")


def _is_address(value: str) -> None:
    try:
        normal_address(value)
    except Invalid as error:
        raise ValidationError(error.message) from None


class RequesterIn(Schema):
    """Who asks."""

    email = Line(required=True, validate=[validate.Length(1, 254), _is_address])
    name = Line(load_default="", validate=validate.Length(max=200))
    phone = Line(load_default="", validate=validate.Length(max=50))
    external_id = Line(load_default=None, allow_none=True, validate=validate.Length(1, 255))


class TicketIn(Schema):
    """A new ticket."""

    subject = Line(required=True, validate=validate.Length(1, 500))
    description = Text(required=True, validate=[validate.Length(1, 50_000), says_something])
    category = fields.String(load_default=None, allow_none=True)
    subcategory = fields.String(load_default=None, allow_none=True)
    priority = priority_field(load_default=None, allow_none=True)
    requester = fields.Nested(RequesterIn, load_default=None, allow_none=True)
    source = fields.Enum(Source, by_value=True, load_default=Source.API)
    channel = Line(load_default="", validate=validate.Length(max=100))
    tags = fields.List(Line(), load_default=list, validate=validate.Length(max=30))
    custom_fields = fields.Dict(keys=Text(), load_default=dict)
    external_id = Line(load_default=None, allow_none=True, validate=validate.Length(1, 255))


class TicketChange(Schema):
    """Changes to a ticket; what is not named stays. ``version`` guards against stale ones."""

    version = fields.Integer(strict=True, validate=validate.Range(1, 2**31 - 1))
    subject = Line(validate=validate.Length(1, 500))
    status = status_field()
    priority = priority_field()
    category = Text()
    subcategory = Text(allow_none=True)
    assignee = Named(allow_none=True)
    group = Named(allow_none=True)
    tags = fields.List(Line(), validate=validate.Length(max=30))
    custom_fields = fields.Dict(keys=Text())
    due_at = Moment(format="iso", allow_none=True)


class FileIn(Schema):
    """A file, its bytes in base64."""

    filename = Line(required=True, validate=validate.Length(1, 255))
    content_type = Line(load_default="application/octet-stream", validate=validate.Length(1, 100))
    data = fields.String(required=True, metadata={"contentEncoding": "base64"})


class CommentIn(Schema):
    """A comment."""

    body = Text(required=True, validate=[validate.Length(1, 50_000), says_something])
    visibility = fields.Enum(Visibility, by_value=True, load_default=Visibility.PUBLIC)
    attachments = fields.List(
        fields.Nested(FileIn), load_default=list, validate=validate.Length(max=10)
    )


class AssignmentIn(Schema):
    """Who gets the ticket: an agent, a group, or both, by id, address or name; null: nobody."""

    agent = Named(allow_none=True)
    group = Named(allow_none=True)


class PersonOut(Schema):
    """Somebody."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)


class GroupOut(Schema):
    """A team."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)


class PolicyOfClock(Schema):
    """An SLA policy by its id and name, as it was when the ticket came under it."""

    id = fields.Integer()
    name = fields.String()


class ClockOut(Schema):
    """One SLA target, and the policy that promises it."""

    policy = fields.Nested(PolicyOfClock)
    target = fields.Enum(Target, by_value=True)
    cycle = fields.Integer()
    state = fields.Enum(ClockState, by_value=True)
    started_at = fields.AwareDateTime()
    due_at = fields.AwareDateTime(
        allow_none=True,
        metadata={"description": "Of a met one, when it would have been; null while paused."},
    )
    stopped_at = fields.AwareDateTime(allow_none=True)
    overdue_seconds = fields.Integer(metadata={"description": "Past the due time; 0: in time."})


class TicketOut(Schema):
    """A ticket. Customers do not see tags, assignee's address and what is internal."""

    number = fields.String(required=True)
    external_id = fields.String(allow_none=True)
    subject = fields.String(required=True)
    description = fields.String()
    status = fields.Enum(Status, by_value=True, required=True)
    priority = fields.Enum(Priority, by_value=True, required=True)
    category = fields.String(required=True)
    subcategory = fields.String(allow_none=True)
    requester = fields.Nested(PersonOut)
    assignee = fields.Nested(PersonOut, allow_none=True)
    group = fields.Nested(GroupOut, allow_none=True)
    source = fields.Enum(Source, by_value=True)
    channel = fields.String()
    tags = fields.List(fields.String())
    custom_fields = fields.Dict()
    due_at = fields.AwareDateTime(allow_none=True)
    first_response_at = fields.AwareDateTime(allow_none=True)
    resolved_at = fields.AwareDateTime(allow_none=True)
    closed_at = fields.AwareDateTime(allow_none=True)
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()
    version = fields.Integer()


class FileOut(Schema):
    """A file; ``url`` gives its bytes, to the token that was told of it."""

    id = fields.Integer(required=True)
    filename = fields.String(required=True)
    content_type = fields.String(required=True)
    size = fields.Integer(required=True)
    url = fields.String(required=True)


class CommentOut(Schema):
    """A comment."""

    id = fields.Integer(required=True)
    author = fields.Nested(PersonOut, allow_none=True)
    author_type = fields.String(metadata={"enum": ["requester", "agent", "system"]})
    body = fields.String(required=True)
    visibility = fields.Enum(Visibility, by_value=True)
    attachments = fields.List(fields.Nested(FileOut))
    created_at = fields.AwareDateTime()


class TicketDetail(TicketOut):
    """A ticket with its comments, oldest first, and its SLA clocks."""

    attachments = fields.List(fields.Nested(FileOut))
    sla = fields.List(fields.Nested(ClockOut))
    comments = fields.List(fields.Nested(CommentOut))


class TicketList(Schema):
    """A page of tickets."""

    tickets = fields.List(fields.Nested(TicketOut), required=True)
    total = fields.Integer(required=True)
    total_is_estimate = fields.Boolean()
    page = fields.Integer(required=True)
    total_pages = fields.Integer(required=True)
    next_cursor = fields.String(allow_none=True)


class CommentList(Schema):
    """Comments, oldest first."""

    comments = fields.List(fields.Nested(CommentOut), required=True)


class EventOut(Schema):
    """One line of history."""

    id = fields.Integer()
    kind = fields.Enum(EventKind, by_value=True)
    actor = fields.Dict()
    field = fields.String()
    from_ = fields.String(data_key="from", allow_none=True)
    to = fields.String(allow_none=True)
    text = fields.String()
    created_at = fields.AwareDateTime()


class History(Schema):
    """Lines of history, oldest first."""

    history = fields.List(fields.Nested(EventOut), required=True)


class StatisticsOut(Schema):
    """Exact counts under the filters."""

    total = fields.Integer(required=True)
    by_status = fields.Dict()
    by_priority = fields.Dict()
    by_category = fields.Dict()
    by_assignee = fields.Dict()


class MailReceived(Schema):
    """A mail that is stored."""

    id = fields.Integer()
    state = fields.String()
    is_copy = fields.Boolean()


class WrongField(Schema):
    """A field of the request, and what is wrong with it."""

    field = fields.String(required=True)
    message = fields.String(required=True)


class Problem(Schema):
    """What went wrong (RFC 9457)."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    request_id = fields.String()
    errors = fields.List(fields.Nested(WrongField))


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
