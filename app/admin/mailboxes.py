"""Mailboxes: support addresses, where their mail comes from and by which server it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from flask import current_app
from wtforms import PasswordField, RadioField, SelectField
from wtforms.validators import Length, Regexp

from app.accounts import directory
from app.accounts.access import admin_required, current_person
from app.accounts.directory import zone_of
from app.accounts.forms import email_field
from app.accounts.models import Person
from app.admin.forms import AdminForm, line, number, optional_id, options, text, tick
from app.admin.resource import ListRow, Query, Resource
from app.core import audit
from app.core.audit import Facts
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.sealing import Unreadable, seal, unseal
from app.mail import signing_keys, trying
from app.mail.credentials import ImapAccount, OAuth2
from app.mail.models import (
    AfterStoring,
    ImapAuth,
    InboundEmail,
    Incoming,
    Mailbox,
    MailboxPoll,
    MailReceipt,
    Security,
)
from app.settings import Settings
from app.tickets import catalog
from app.web import words

INCOMING = {
    Incoming.NONE.value: "It is delivered here (LMTP, SMTP, a pipe or HTTP)",
    Incoming.IMAP.value: "We fetch it by IMAP",
}
SECURITY = {
    Security.TLS.value: "TLS from the start",
    Security.STARTTLS.value: "STARTTLS",
    Security.NONE.value: "None (only inside your own network)",
}
AUTH = {ImapAuth.PASSWORD.value: "User and password", ImapAuth.OAUTH2.value: "OAuth2"}
AFTER = {
    AfterStoring.KEEP.value: "Leave it as it is",
    AfterStoring.FLAG.value: "Mark it as read",
    AfterStoring.MOVE.value: "Move it to another folder",
}
SCHEMES = {Security.TLS: "smtps", Security.STARTTLS: "smtp+starttls", Security.NONE: "smtp"}
AGAIN = "Enter it again: the server or the user is another one now."
HOST = Regexp(r"[A-Za-z0-9.-]*$", message="The name of a server, such as imap.example.com.")
SELECTOR = Regexp(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$", message="Letters and digits.")


def _secret(label: str, hint: str = "") -> PasswordField:
    """A field that is never shown again; empty keeps what is stored."""
    most = Length(max=4_000, message="At most 4,000 characters.")
    return PasswordField(label, [most], description=hint, render_kw={"autocomplete": "off"})


class MailboxForm(AdminForm):
    """A mailbox; ``steps`` are what was tried with it, by the direction of mail."""

    steps: Sequence[tuple[str, trying.Step]] = ()

    address = email_field("Address")
    name = line("Name", "What your team calls it.", most=200, needed=False)
    from_name = line(
        "Sender’s name", "Customers see it beside the address.", most=200, needed=False
    )
    group = SelectField("Group", description="New tickets from here start with it.")
    category = SelectField("Category", description="Unless the subject names another.")
    signature = text("Signature", "Below what agents write from this address.", most=5_000)
    is_active = tick(
        "In use", "Untick to pause: nothing is fetched, and nothing is lost.", default=True
    )

    incoming = RadioField("How mail comes in", choices=options(INCOMING.items()), default="none")
    imap_host = line("Server", "", HOST, most=253, needed=False)
    imap_port = number("Port", "993 with TLS, else 143.", least=1, most=65_535)
    imap_security = SelectField("Encryption", choices=options(SECURITY.items()))
    imap_user = line("User", "Often the address itself.", most=254, needed=False)
    imap_auth = RadioField("Sign in with", choices=options(AUTH.items()), default="password")
    imap_password = _secret("Password")
    oauth_client_id = line("Client ID", most=500, needed=False)
    oauth_client_secret = _secret("Client secret")
    oauth_refresh_token = _secret("Refresh token")
    oauth_token_url = line("Address that gives tokens", "https://…/token", most=500, needed=False)
    oauth_scope = line("Scope", most=500, needed=False)
    imap_folder = line("Folder", most=255, needed=False)
    imap_after = SelectField("Once a mail is stored here", choices=options(AFTER.items()))
    imap_after_folder = line("Folder for stored mail", most=255, needed=False)
    imap_takes_old = tick(
        "Take what is in the folder already", "Else only what arrives from now on.", default=True
    )

    smtp_host = line(
        "Server", "Empty: the installation’s own server.", HOST, most=253, needed=False
    )
    smtp_port = number("Port", "465 with TLS, 587 with STARTTLS.", least=1, most=65_535)
    smtp_security = SelectField("Encryption", choices=options(SECURITY.items()))
    smtp_user = line("User", most=254, needed=False)
    smtp_password = _secret("Password")
    signs = tick("Sign what is sent (DKIM)", "The key is made here; you publish a DNS record.")
    dkim_selector = line(
        "Selector", "Another one makes another key.", SELECTOR, most=63, needed=False
    )


@dataclass(frozen=True, slots=True)
class Fetching:
    """How fetching goes, in words; ``tone`` as `components/alert.html` has it."""

    text: str
    tone: str
    facts: list[tuple[str, str]]


def _found(asked: str) -> Query:
    found: Query = sa.select(
        Mailbox.id,
        Mailbox.address,
        Mailbox.name,
        Mailbox.is_active,
        Mailbox.incoming,
        Mailbox.imap_host,
        MailboxPoll.succeeded_at,
        MailboxPoll.failures,
    ).outerjoin(MailboxPoll, MailboxPoll.mailbox_id == Mailbox.id)
    if asked:
        names = (Mailbox.address, Mailbox.name)
        found = found.where(sa.or_(*(c.icontains(asked, autoescape=True) for c in names)))
    return found.order_by(Mailbox.address, Mailbox.id)


def _row(row: Any) -> ListRow:
    way = f"Fetched from {row.imap_host}" if row.incoming is Incoming.IMAP else "Delivered here"
    side = ""
    if row.succeeded_at is not None:
        side = f"Looked {words.ago(row.succeeded_at, utcnow())} ago"
        side = side.replace("now ago", "just now")
    tags = () if row.is_active else ("Paused",)
    if row.is_active and row.failures:
        tags = ("Fails",)
    return ListRow(row.id, row.address, ". ".join(filter(None, (row.name, way))), tags, side)


def _form(mailbox: Mailbox | None) -> MailboxForm:
    form = MailboxForm(data=_data(mailbox) if mailbox else NEW)
    groups = directory.groups().values()
    kinds = catalog.categories().values()
    form.group.choices = options([("", "No group"), *((g.id, g.name) for g in groups)])
    form.category.choices = options([("", "The usual one"), *((c.id, c.name) for c in kinds)])
    return form


NEW: dict[str, Any] = {
    "imap_port": 993,
    "imap_security": "tls",
    "imap_folder": "INBOX",
    "smtp_port": 465,
    "smtp_security": "tls",
    "dkim_selector": "deskhand",
    "is_active": True,
    "imap_takes_old": True,
}


def _data(box: Mailbox) -> dict[str, Any]:
    """What the form shows: everything but the secrets."""
    names = (
        *("address", "name", "from_name", "signature", "is_active", "imap_host", "imap_port"),
        *("imap_user", "imap_folder", "imap_after_folder", "imap_takes_old"),
    )
    shown = NEW | {name: getattr(box, name) for name in names}
    for name in ("incoming", "imap_security", "imap_auth", "imap_after"):
        shown[name] = getattr(box, name).value
    shown |= {"group": str(box.group_id or ""), "category": str(box.category_id or "")}
    shown |= {"signs": bool(box.dkim_key), "dkim_selector": box.dkim_selector or "deskhand"}
    parts = urlsplit(_opened(box.smtp_url))
    if parts.hostname:
        by_scheme = {scheme: security.value for security, scheme in SCHEMES.items()}
        shown["smtp_host"], shown["smtp_user"] = parts.hostname, unquote(parts.username or "")
        shown["smtp_security"] = by_scheme[parts.scheme]
        usual = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
        shown["smtp_port"] = parts.port or usual[parts.scheme]
    if known := _oauth(box):
        shown["oauth_client_id"], shown["oauth_token_url"] = known.client_id, known.token_url
        shown["oauth_scope"] = known.scope
    return shown


def _opened(sealed: str) -> str:
    """What was sealed; "" where nothing was, or the key for it has changed."""
    try:
        return unseal(sealed) if sealed else ""
    except Unreadable:
        return ""


def _oauth(box: Mailbox | None) -> OAuth2 | None:
    if box is None or box.imap_auth is not ImapAuth.OAUTH2 or not _opened(box.imap_secret):
        return None
    return _account_of(box).oauth2


def _account_of(box: Mailbox) -> ImapAccount:
    return ImapAccount(
        mailbox_id=box.id or 0,
        address=box.address,
        host=box.imap_host,
        port=box.imap_port,
        security=box.imap_security,
        user=box.imap_user,
        auth=box.imap_auth,
        sealed=box.imap_secret,
        folder=box.imap_folder,
        after=box.imap_after,
        after_folder=box.imap_after_folder,
        takes_old=box.imap_takes_old,
    )


def _imap_secret(box: Mailbox | None, form: MailboxForm) -> str:
    """The sealed secret that the form asks for.

    Raises:
        Invalid: one is needed. A stored one goes to no other server, and to no other user.
    """
    same = box is not None and (
        (box.imap_host, box.imap_user) == (form.imap_host.data.lower(), form.imap_user.data)
    )
    if form.imap_auth.data == ImapAuth.PASSWORD.value:
        if form.imap_password.data:
            return seal(form.imap_password.data)
        if same and box and box.imap_auth is ImapAuth.PASSWORD and box.imap_secret:
            return box.imap_secret
        raise _needed("imap_password", is_known=bool(box and box.imap_secret))
    known = _oauth(box)
    same = same and known is not None and known.token_url == form.oauth_token_url.data
    secret = form.oauth_client_secret.data or (known.client_secret if same and known else "")
    refresh = form.oauth_refresh_token.data or (known.refresh_token if same and known else "")
    if not form.oauth_token_url.data.startswith("https://"):
        raise _wrong("oauth_token_url", "An address that starts with https://.")
    if not form.oauth_client_id.data:
        raise _wrong("oauth_client_id", "Fill this in.")
    if not refresh:
        raise _needed("oauth_refresh_token", is_known=known is not None)
    told = OAuth2(
        client_id=form.oauth_client_id.data,
        client_secret=secret,
        refresh_token=refresh,
        token_url=form.oauth_token_url.data,
        scope=form.oauth_scope.data or "",
    )
    if told == known and box is not None:
        return box.imap_secret
    return told.sealed()


def _needed(name: str, *, is_known: bool) -> Invalid:
    return _wrong(name, AGAIN if is_known else "Fill this in.")


def _wrong(name: str, message: str) -> Invalid:
    return Invalid(message, {name: message})


def _smtp_url(box: Mailbox | None, form: MailboxForm) -> str:
    """The URL, sealed, of the server that the form names; "" for the installation's own.

    Raises:
        Invalid: the password is needed, see `_imap_secret`.
    """
    host, user = form.smtp_host.data.lower(), form.smtp_user.data
    if not host:
        return ""
    stored = _opened(box.smtp_url) if box else ""
    parts = urlsplit(stored)
    password = form.smtp_password.data
    if user and not password:
        if (parts.hostname, unquote(parts.username or "")) != (host, user):
            raise _needed("smtp_password", is_known=bool(stored))
        password = unquote(parts.password or "")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    scheme = SCHEMES[Security(form.smtp_security.data)]
    url = f"{scheme}://{login}{host}:{form.smtp_port.data}"
    return box.smtp_url if box is not None and url == stored else seal(url)


def _fill(box: Mailbox, known: Mailbox | None, form: MailboxForm) -> None:
    """Put what the form says into *box*, which may be *known* itself; no key is made here."""
    smtp_url = _smtp_url(known, form)
    if form.incoming.data == Incoming.IMAP.value:
        if not form.imap_host.data:
            raise _wrong("imap_host", "Fill this in.")
        if not form.imap_user.data:
            raise _wrong("imap_user", "Fill this in.")
        if form.imap_after.data == AfterStoring.MOVE.value and not form.imap_after_folder.data:
            raise _wrong("imap_after_folder", "Fill this in.")
        secret = _imap_secret(known, form)
        box.imap_host, box.imap_user = form.imap_host.data.lower(), form.imap_user.data
        box.imap_port, box.imap_secret = form.imap_port.data, secret
        box.imap_security = Security(form.imap_security.data)
        box.imap_auth = ImapAuth(form.imap_auth.data)
        box.imap_folder = form.imap_folder.data or "INBOX"
        box.imap_after = AfterStoring(form.imap_after.data)
        box.imap_after_folder = form.imap_after_folder.data or ""
        box.imap_takes_old = form.imap_takes_old.data
    box.incoming = Incoming(form.incoming.data)
    box.smtp_url = smtp_url
    for name in ("address", "name", "from_name", "signature", "is_active"):
        setattr(box, name, form[name].data)
    box.address = box.address.lower()
    box.group_id, box.category_id = optional_id(form.group.data), optional_id(form.category.data)


def facts(box: Mailbox) -> Facts:
    """What the audit log tells of a mailbox; of secrets only that there are some."""
    group = directory.groups().get(box.group_id or 0)
    kind = catalog.categories().get(box.category_id or 0)
    told = {
        "Address": box.address,
        "Name": box.name,
        "Sender’s name": box.from_name,
        "Group": group.name if group else "",
        "Category": kind.name if kind else "",
        "Signature": box.signature,
        "In use": "yes" if box.is_active else "no",
        "How mail comes in": INCOMING[box.incoming.value],
        "DKIM selector": box.dkim_selector if box.dkim_key else "",
    }
    if box.incoming is Incoming.IMAP:
        told |= {
            "Server of incoming mail": f"{box.imap_host}:{box.imap_port}, {box.imap_security}",
            "User of incoming mail": box.imap_user,
            "Sign in with": AUTH[box.imap_auth.value],
            "Folder": box.imap_folder,
            "Once a mail is stored": AFTER[box.imap_after.value],
            "Folder for stored mail": box.imap_after_folder,
        }
    parts = urlsplit(_opened(box.smtp_url))
    if parts.hostname:
        told["Server of outgoing mail"] = f"{parts.scheme}://{parts.hostname}:{parts.port}"
        told["User of outgoing mail"] = unquote(parts.username or "")
    return told


def _save(box: Mailbox | None, form: MailboxForm, by: Person, now: datetime) -> Mailbox:
    twin = sa.select(Mailbox.id).where(sa.func.lower(Mailbox.address) == form.address.data.lower())
    if db.session.scalar(twin) not in (None, box.id if box else None):
        raise _wrong("address", "There is a mailbox of this address already.")
    before = facts(box) if box else {}
    old = (box.imap_secret, box.smtp_url) if box else ("", "")
    saved = box or Mailbox(created_at=now)
    _fill(saved, box, form)
    selector = form.dkim_selector.data or "deskhand"
    if not form.signs.data:
        saved.dkim_key = saved.dkim_selector = ""
    elif not saved.dkim_key or saved.dkim_selector != selector:
        saved.dkim_key, saved.dkim_selector = signing_keys.make_key(), selector
    db.session.add(saved)
    db.session.flush()
    after = dict(facts(saved))
    if box is not None and (saved.imap_secret, saved.smtp_url) != old:
        after["Secrets"] = "entered anew"
    audit.note("mailbox", saved.id, saved.address, before=before, after=after, by=by, now=now)
    return saved


def _saved_notice(box: Mailbox) -> str:
    return "Open it for the DNS record to publish." if box.dkim_key else ""


def _press(press: str, box: Mailbox | None, form: MailboxForm) -> str:
    """Try the servers with what the form says; nothing is saved."""
    if not form.validate():  # type: ignore[no-untyped-call]
        raise Invalid("Then the connection can be tried.")
    tried = Mailbox()
    _fill(tried, box, form)
    url = _opened(tried.smtp_url)
    settings: Settings = current_app.extensions["settings"]
    url = url or settings.smtp_url or ""
    own_name = urlsplit(settings.base_url).hostname or "localhost"
    db.session.rollback()  # nobody should wait for servers elsewhere
    steps: list[tuple[str, trying.Step]] = []
    if tried.incoming is Incoming.IMAP:
        steps += [("Incoming", step) for step in trying.try_connection(_account_of(tried))]
    if url:
        steps += [("Outgoing", step) for step in trying.try_sending(url, own_name)]
    else:
        step = trying.Step("Server", False, "There is none: mails stay in the outbox.")
        steps.append(("Outgoing", step))
    form.steps = steps
    return "Nothing is saved yet. Passwords are not sent back: enter new ones again, then save."


def _beside(box: Mailbox | None, form: Any) -> dict[str, Any]:
    record = problem = None
    if box is not None and box.dkim_key:
        try:
            record = signing_keys.dns_record(box.address, box.dkim_selector, box.dkim_key)
        except Unreadable as error:
            problem = error.message
    return {
        "steps": form.steps,
        "record": record,
        "record_problem": problem,
        "fetching": _fetching(box) if box is not None else None,
        "has_imap_secret": bool(box and box.imap_secret),
        "has_smtp_secret": bool(box and urlsplit(_opened(box.smtp_url)).password),
    }


def _fetching(box: Mailbox) -> Fetching | None:
    """How it goes; one statement."""
    poll = db.session.get(MailboxPoll, box.id)
    if box.incoming is not Incoming.IMAP or poll is None:
        return None
    zone = zone_of(current_person())

    def moment(at: datetime | None) -> str:
        return words.exact(at, zone) if at else "never"

    told = [
        ("Last look", moment(poll.polled_at)),
        ("Last time all went well", moment(poll.succeeded_at)),
    ]
    told.append(("Next look", moment(poll.next_poll_at)))
    if poll.server_count is not None:
        told.append(("On the server", f"{poll.server_count:,} messages"))
        told.append(("Of these not here", f"{poll.missing_count or 0:,}"))
    if not poll.failures:
        how = "The server tells us of new mail." if poll.is_idling else "Fetched every minute."
        return Fetching(how, "resolved", told)
    times = "once" if poll.failures == 1 else f"{poll.failures} times in a row"
    return Fetching(f"It failed {times}: {poll.error}", "critical", told)


def _refuse_delete(box: Mailbox) -> None:
    settings: Settings = current_app.extensions["settings"]
    if box.address == settings.mail_from.lower():
        raise Conflict("It is the installation’s own address (DESKHAND_MAIL_FROM). Pause it.")
    mails = sa.select(InboundEmail.id).where(InboundEmail.mailbox_id == box.id).limit(1)
    receipts = sa.select(MailReceipt.id).where(MailReceipt.mailbox_id == box.id).limit(1)
    if db.session.scalar(mails) or db.session.scalar(receipts):
        raise Conflict("The ledger has mail of it, which is kept. Pause it in its place.")


MAILBOXES = Resource(
    path="mailboxes",
    one="mailbox",
    many="Mailboxes",
    lead="Support addresses: where mail comes in, and from where answers go.",
    guard=admin_required,
    model=Mailbox,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda box: box.address,
    facts=facts,
    is_replaceable=False,
    refuse_delete=_refuse_delete,
    delete_words=lambda box: "Tickets that came by it stay.",
    saved_notice=_saved_notice,
    press=_press,
    template="admin/mailbox.html",
    beside=_beside,
)
