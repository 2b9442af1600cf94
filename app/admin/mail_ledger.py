"""The ledger of incoming mail: every message, what became of it, and what rests in quarantine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from wtforms import DateField, SearchField, SelectField
from wtforms.validators import Length, Optional

from app.accounts.access import admin_required, current_person
from app.accounts.forms import email_field, name_field
from app.admin import keyset
from app.admin.forms import AdminForm, line, options, text
from app.admin.resource import asked_words
from app.channels import by_hand
from app.channels.new_ticket import RequesterInput
from app.core import audit
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import DomainError, Invalid, NotFound
from app.core.paging import MOST_ID
from app.core.text import printable
from app.mail import ledger, parsing, receiving, resting
from app.mail.ledger import Reckoning
from app.mail.models import (
    Channel,
    InboundEmail,
    InboundState,
    Mailbox,
    MailReceipt,
    RawEmail,
)
from app.mail.parsing import ParsedEmail
from app.web import words
from app.web.forms import one_line, stripped
from app.web.security import reads_first

bp = Blueprint("mail_ledger", __name__, url_prefix="/admin/mail")

ID = f"<int(max={MOST_ID}):email_id>"
MOST_SHOWN = 200_000  # characters of a mail on its page; the whole is there to be downloaded
MOST_TIMES = 20
QUARANTINE = "/admin/mail/quarantine"
OUTCOMES = {
    InboundState.WAITING: ("Waits", "pending"),
    InboundState.TICKET: ("New ticket", "resolved"),
    InboundState.COMMENT: ("Joined a ticket", "resolved"),
    InboundState.HELD: ("Held on a ticket", "pending"),
    InboundState.BOUNCE: ("Bounce", "closed"),
    InboundState.IGNORED: ("Ignored", "closed"),
    InboundState.QUARANTINED: ("Quarantine", "critical"),
}
UNREAD = ("Not fetched yet", "critical")
ON_TICKET = (InboundState.TICKET, InboundState.COMMENT, InboundState.HELD, InboundState.BOUNCE)
WAYS = {
    Channel.IMAP: "IMAP",
    Channel.LMTP: "LMTP",
    Channel.SMTP: "SMTP",
    Channel.PIPE: "Pipe",
    Channel.HTTP: "HTTP",
}
NUMBER = re.compile(r"TKT-[A-HJKMNP-Z2-9]{8}")  # our own words name the ticket first
MAIL = (
    InboundEmail.state,
    InboundEmail.reason,
    InboundEmail.sender,
    InboundEmail.subject,
    InboundEmail.attempts,
    InboundEmail.size,
)
MESSAGES = sa.select(
    MailReceipt.id,
    MailReceipt.inbound_email_id.label("email_id"),
    MailReceipt.mailbox_id,
    MailReceipt.channel,
    MailReceipt.received_at,
    MailReceipt.is_copy,
    MailReceipt.error,
    *MAIL,
).outerjoin(InboundEmail, InboundEmail.id == MailReceipt.inbound_email_id)
RESTING = sa.select(
    InboundEmail.id,
    InboundEmail.id.label("email_id"),
    InboundEmail.mailbox_id,
    InboundEmail.received_at,
    *MAIL,
).where(InboundEmail.state == InboundState.QUARANTINED)
SEARCHED = (
    *(InboundEmail.sender, InboundEmail.subject, InboundEmail.message_id, InboundEmail.reason),
)


class SearchForm(AdminForm):
    """Which messages to show; by GET, so that a link says it all."""

    class Meta:
        """Nothing is changed, so there is nothing to forge."""

        csrf = False

    q = SearchField("Sender, subject, Message-ID or reason", [Length(max=100), one_line])
    mailbox = SelectField("Mailbox", default="")
    outcome = SelectField("Outcome", default="")
    since = DateField("From", [Optional()])
    until = DateField("Until", [Optional()])


class HandForm(AdminForm):
    """A ticket made by hand."""

    email = email_field("Requester’s address")
    name = name_field("Requester’s name")
    subject = line("Subject", most=200)
    description = text("Text", most=50_000, needed=True)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A message in the viewer's words."""

    id: int
    email_id: int | None
    when_text: str
    when_iso: str
    when_title: str
    sender: str
    subject: str
    mailbox: str
    way: str
    outcome: str
    tone: str
    is_copy: bool
    reason: str
    number: str


@bp.get("/ledger")
@admin_required
def index() -> ResponseReturnValue:
    """The newest messages that fit, or those before ``?before=`` an id."""
    form = SearchForm(formdata=request.args)
    boxes = _addresses()
    form.mailbox.choices = options([("", "All"), *boxes.items()])
    outcomes = [(state.value, told) for state, (told, _) in OUTCOMES.items()]
    outcomes += [("unread", UNREAD[0]), ("copy", "Copies of a mail that we had")]
    form.outcome.choices = options([("", "All"), *outcomes])
    query, status = MESSAGES, 200
    if form.validate():  # type: ignore[no-untyped-call]
        query = _narrowed(query, form)
    else:
        query, status = query.where(sa.false()), 422
    found, page = keyset.newest(
        query, MailReceipt.id, path="/admin/mail/ledger", one="message", many="messages"
    )
    body = render_template(
        "admin/mail_ledger.html",
        form=form,
        rows=_rows(found, boxes),
        page=page,
        is_narrowed=any(v for k, v in request.args.items() if k != "before"),
    )
    return body, status


@bp.get("/ledger/counts")
@admin_required
def counts() -> ResponseReturnValue:
    """Each mailbox: what its server has beside what the ledger has, and what became of it."""
    rows = ledger.reckon()
    return render_template(
        "admin/mail_counts.html",
        rows=rows,
        outcomes=OUTCOMES,
        ways=WAYS,
        when={row.mailbox_id: _when(row) for row in rows},
    )


@bp.get("/quarantine")
@admin_required
def quarantine() -> ResponseReturnValue:
    """What rests with its error, newest first."""
    query, asked = RESTING, asked_words()
    if asked:
        query = query.where(_has(asked))
    found, page = keyset.newest(query, InboundEmail.id, path=QUARANTINE, one="mail", many="mails")
    rows = _rows(found, _addresses())
    return render_template("admin/mail_quarantine.html", rows=rows, page=page, words=asked)


@bp.post("/quarantine")
@admin_required
def decide() -> ResponseReturnValue:
    """Do one thing with all that were ticked; one that cannot be done does not hold up the rest."""
    act = resting.discard if "discard" in request.form else resting.replay
    done, refused = 0, ""
    for email_id in _ticked():
        try:
            act(email_id, by=current_person(), now=utcnow())
            done += 1
        except DomainError as error:
            refused = error.message
    db.session.commit()
    told = "1 mail is" if done == 1 else f"{done or 'No'} mails are"
    told += " discarded." if act is resting.discard else " read again, and let through."
    flash(f"{told} {refused}".rstrip(), "error" if refused else "success")
    return redirect(url_for(".quarantine", q=asked_words() or None), 303)


@bp.get(f"/ledger/{ID}")
@admin_required
def show(email_id: int) -> ResponseReturnValue:
    """One mail: what became of it, what it says, and what can be done."""
    return _page(email_id, None)


@bp.post(f"/ledger/{ID}/replay")
@admin_required
def replay(email_id: int) -> ResponseReturnValue:
    """Read it again."""
    resting.replay(email_id, by=current_person(), now=utcnow())
    db.session.commit()
    flash("It is read again. Reload the page to see what became of it.", "success")
    return redirect(f"/admin/mail/ledger/{email_id}", 303)


@bp.post(f"/ledger/{ID}/discard")
@admin_required
def discard(email_id: int) -> ResponseReturnValue:
    """Leave it alone for good."""
    resting.discard(email_id, by=current_person(), now=utcnow())
    db.session.commit()
    flash("Discarded. It stays in the ledger.", "success")
    return redirect(QUARANTINE, 303)


@bp.post(f"/ledger/{ID}/ticket")
@admin_required
@reads_first
def make_ticket(email_id: int) -> ResponseReturnValue:
    """Make a ticket of it by hand; its files are stored outside the database's lock."""
    form = HandForm()
    if not form.validate_on_submit():
        return _page(email_id, form), 422
    size = _mail(email_id).size
    files = by_hand.files_of(email_id, size) if _is_kept(email_id) else []
    begin_write()
    try:
        number = by_hand.open_ticket(
            email_id,
            requester=RequesterInput(form.email.data, form.name.data),
            subject=form.subject.data,
            description=form.description.data,
            files=files,
            by=current_person(),
            now=utcnow(),
        )
        db.session.commit()
    except DomainError as error:
        db.session.rollback()
        form.take(error)
        return _page(email_id, form), 422
    flash(f"{number} is open.", "success")
    return redirect(f"/desk/tickets/{number}", 303)


@bp.post(f"/ledger/{ID}/raw")
@admin_required
def download(email_id: int) -> ResponseReturnValue:
    """The mail as it came, as a file; written into the audit log."""
    email = _mail(email_id)
    if not _is_kept(email_id):
        raise NotFound("The raw mail is not kept any more.")
    name = email.subject or email.sender or "(no subject)"
    audit.write("downloaded", "mail", email_id, name, by=current_person(), now=utcnow())
    raw = receiving.find(email_id).raw
    db.session.commit()
    response: Response = make_response(raw)
    response.headers["Content-Type"] = "message/rfc822"
    response.headers["Content-Disposition"] = f'attachment; filename="mail-{email_id}.eml"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.post(f"/receipts/<int(max={MOST_ID}):receipt_id>/fetch")
@admin_required
def fetch(receipt_id: int) -> ResponseReturnValue:
    """Ask the server again for a message that could not be read."""
    resting.fetch_now(receipt_id, now=utcnow())
    db.session.commit()
    flash("The server is asked again within a minute.", "success")
    return redirect("/admin/mail/ledger?outcome=unread", 303)


def _ticked() -> list[int]:
    """The mails that were ticked, in the order in which they are locked.

    Raises:
        Invalid: none was, or more than a page shows.
    """
    ids = request.form.getlist("mail", type=int)
    found = sorted({email_id for email_id in ids if 0 < email_id <= MOST_ID})
    if not found:
        raise Invalid("Tick the mails in the list first.")
    if len(found) > keyset.ROWS:
        raise Invalid(f"At most {keyset.ROWS} mails at once.")
    return found


def _has(words: str) -> sa.ColumnElement[bool]:
    return sa.or_(*(column.icontains(words, autoescape=True) for column in SEARCHED))


def _narrowed(query: Any, form: SearchForm) -> Any:
    if asked := stripped(form.q.data):
        query = query.where(_has(asked))
    if form.mailbox.data:
        query = query.where(MailReceipt.mailbox_id == int(form.mailbox.data))
    match form.outcome.data:
        case "":
            pass
        case "unread":
            query = query.where(MailReceipt.inbound_email_id.is_(None))
        case "copy":
            query = query.where(MailReceipt.is_copy)
        case state:
            query = query.where(InboundEmail.state == InboundState(state))
    if form.since.data:
        query = query.where(MailReceipt.received_at >= keyset.midnight(form.since.data))
    if form.until.data:
        end = keyset.midnight(form.until.data, days_later=1)
        query = query.where(MailReceipt.received_at < end)
    return query


def _addresses() -> dict[int, str]:
    """Every mailbox, the paused ones too; one statement."""
    rows = db.session.execute(sa.select(Mailbox.id, Mailbox.address).order_by(Mailbox.address))
    return {row.id: row.address for row in rows}


def _rows(found: Any, boxes: dict[int, str]) -> list[LedgerRow]:
    now, zone = utcnow(), keyset.zone()
    rows = []
    for row in found:
        outcome, tone = OUTCOMES[row.state] if row.state else UNREAD
        told = row._mapping
        rows.append(
            LedgerRow(
                id=row.id,
                email_id=row.email_id,
                when_text=words.moment(row.received_at, now, zone),
                when_iso=words.iso(row.received_at),
                when_title=words.exact(row.received_at, zone),
                sender=row.sender or "",
                subject=row.subject or "",
                mailbox=boxes.get(row.mailbox_id, ""),
                way=WAYS[told["channel"]] if "channel" in told else "",
                outcome=outcome,
                tone=tone,
                is_copy=bool(told.get("is_copy")),
                reason=_reason(row) if row.state else told.get("error", ""),
                number=number_in(row.state, row.reason),
            )
        )
    return rows


def _reason(row: Any) -> str:
    """Why; for one that waits also how often it was tried."""
    if row.state is InboundState.WAITING and row.reason:
        times = "once" if row.attempts == 1 else f"{row.attempts} times"
        return f"Tried {times}: {row.reason}"
    return str(row.reason)


def number_in(state: InboundState | None, reason: str | None) -> str:
    """The ticket that the outcome names, or ""."""
    found = NUMBER.search(reason or "") if state in ON_TICKET else None
    return found[0] if found else ""


def _when(row: Reckoning) -> str:
    def exact(at: datetime | None) -> str:
        return words.exact(at, keyset.zone()) if at else ""

    return exact(row.counted_at)


def _mail(email_id: int) -> InboundEmail:
    email = db.session.get(InboundEmail, email_id)
    if email is None:
        raise NotFound("There is no such mail in the ledger.")
    return email


def _is_kept(email_id: int) -> bool:
    kept = sa.select(RawEmail.inbound_email_id).where(RawEmail.inbound_email_id == email_id)
    return db.session.scalar(kept) is not None


def _page(email_id: int, form: HandForm | None) -> str:
    email = _mail(email_id)
    is_kept = _is_kept(email_id)
    parsed = source = None
    if is_kept and email.size <= receiving.MAX_SIZE:
        raw = receiving.find(email_id).raw
        parsed = parsing.parse_incoming(raw)
        source = printable(raw[:MOST_SHOWN].decode("utf-8", "replace"))
    came = sa.select(MailReceipt).where(MailReceipt.inbound_email_id == email_id)
    times = db.session.scalars(came.order_by(MailReceipt.id.desc()).limit(MOST_TIMES)).all()
    now, zone = utcnow(), keyset.zone()
    outcome, tone = OUTCOMES[email.state]
    return render_template(
        "admin/mail_message.html",
        email=email,
        mailbox=_addresses().get(email.mailbox_id, ""),
        outcome=outcome,
        tone=tone,
        reason=_reason(email),
        number=number_in(email.state, email.reason),
        may_act=email.state in resting.RESTING,
        is_kept=is_kept,
        parsed=parsed,
        shown=_shown(parsed),
        source=source,
        size=words.filesize(email.size),
        files=[(a.filename, words.filesize(a.size)) for a in parsed.attachments] if parsed else [],
        times=[
            (WAYS[t.channel], t.folder or "", words.moment(t.received_at, now, zone), t.is_copy)
            for t in times
        ],
        form=form or _hand_form(email, parsed),
    )


def _shown(parsed: ParsedEmail | None) -> str:
    return parsed.text[:MOST_SHOWN] if parsed else ""


def _hand_form(email: InboundEmail, parsed: ParsedEmail | None) -> HandForm:
    """Filled with what the mail says, to be mended."""
    named = parsed.reply_text or parsed.text if parsed else ""
    return HandForm(
        formdata=None,
        data={
            "email": email.sender,
            "name": (parsed.from_name if parsed else "") or email.sender.partition("@")[0],
            "subject": email.subject[:200] or "(no subject)",
            "description": named[:50_000],
        },
    )
