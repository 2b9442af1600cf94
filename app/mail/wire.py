"""A rendered mail of the outbox as bytes (RFC 5322, MIME), signed where its mailbox has a key."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from email.charset import QP, Charset
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import format_datetime, formataddr
from io import BytesIO
from typing import Any

import dkim
import idna
from flask import current_app

from app.core.sealing import Unreadable, unseal
from app.core.settings_store import setting
from app.core.storage import storage
from app.core.text import printable
from app.mail import unsubscribing
from app.mail.models import Mailbox, OutboundEmail
from app.mail.smtp import PutOff
from app.mail.tokens import desk_id, return_token
from app.settings import Settings

MAX_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1
MEGABYTE = 1_000_000
# Big providers refuse a mail for one of these, however useful it is.
REFUSED = frozenset(
    "ade adp apk appx bat cab chm cmd com cpl dll dmg exe hta ins isp iso jar js jse lib lnk mde"
    " msc msi msix msp mst nsh ps1 scr sct shb sys vb vbe vbs vxd wsc wsf wsh".split()
)
# Signed where they are there, and once more than that: none can be added (RFC 6376, 8.15).
SIGNED = (
    *("from", "to", "subject", "date", "message-id", "reply-to", "in-reply-to", "references"),
    *("mime-version", "content-type", "auto-submitted"),
    *("list-unsubscribe", "list-unsubscribe-post"),
)

_utf8 = Charset("utf-8")
_utf8.body_encoding = QP


def with_attached(context: Mapping[str, Any]) -> dict[str, Any]:
    """*context* whose files say whether they go along (``attached``), as many as fit in order."""
    left = int(setting("mail_attachments_mb")) * MEGABYTE
    files = []
    for file in context.get("files", ()):
        extension = file["name"].rpartition(".")[2].lower()
        fits = extension not in REFUSED and file.get("size", left + 1) <= left
        left -= file["size"] if fits else 0
        files.append({**file, "attached": fits})
    return {**context, "files": files} if files else dict(context)


def build(row: OutboundEmail, mailbox: Mailbox | None) -> bytes:
    """A rendered row of the outbox; the same for every try.

    Raises:
        ValueError: an address cannot be written.
        PutOff: a file or the key for the signature cannot be read now.
    """
    raw = _Beyond(row)
    mail = _content(row)
    name, address = sender(mailbox)
    mail["Subject"] = _header(row.subject)
    mail["From"] = raw.named(name, address)
    mail["To"] = raw.named(row.recipient_name, row.recipient)
    if topic := row.context.get("subject"):
        mail["Thread-Topic"] = _header(topic)  # Outlook keeps a conversation together by it
    mail["Date"] = format_datetime(row.created_at)
    mail["Message-ID"] = f"<{row.message_id}>"
    if reply_to := reply_address(address, row.reply_token):
        mail["Reply-To"] = raw.named(name, reply_to)
    if row.in_reply_to and _is_id(row.in_reply_to):
        mail["In-Reply-To"] = f"<{row.in_reply_to}>"
    if references := [f"<{i}>" for i in row.references.split() if _is_id(i)]:
        mail["References"] = " ".join(references)
    mail["X-Deskhand-Desk"] = desk_id()  # a list or a gateway may bring it back in another name
    if row.is_automatic:
        # RFC 3834, section 5; the second is Exchange's way to be told the same.
        mail["Auto-Submitted"] = "auto-replied" if row.in_reply_to else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
    if link := unsubscribing.link(row.context):
        mail["List-Unsubscribe"] = f"<{link}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    # The older generator: the newer one writes ids of more than 78 characters as encoded words.
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=78).flatten(mail, linesep="\r\n")
    return _signed(raw.restored(out.getvalue()), mailbox)


def sender(mailbox: Mailbox | None) -> tuple[str, str]:
    """Name and address that a mail comes from: the mailbox's, else the installation's."""
    settings: Settings = current_app.extensions["settings"]
    site = str(setting("site_name"))
    if mailbox is None:
        return site, settings.mail_from
    return mailbox.from_name or mailbox.name or site, mailbox.address


def return_path(row: OutboundEmail, mailbox: Mailbox | None) -> str:
    """The envelope's sender, to which bounces go: with a token where the setting says so.

    Some servers let nobody send from an address with a tag.
    """
    address = wire_address(sender(mailbox)[1])
    token = return_token(row.id) if setting("return_tokens") else ""
    return _tagged(address, token) or address


def reply_address(address: str, token: str) -> str:
    """``support+TOKEN@desk.example``; empty without token, or if the local part gets too long."""
    return _tagged(address, token) if setting("reply_tokens") else ""


def _tagged(address: str, token: str) -> str:
    local, _, domain = address.rpartition("@")
    tagged = f"{local}{setting('reply_separator')}{token}"
    return f"{tagged}@{domain}" if token and len(tagged) <= MAX_LOCAL_PART else ""


def wire_address(address: str) -> str:
    """An address as SMTP takes it: the domain in ASCII (RFC 5891).

    Raises:
        ValueError: there is no such form, or it would say more than an address to a server.
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or not address.isprintable() or set(address) & set(' <>,;\\"()'):
        raise ValueError("no mail address")
    if domain.isascii():
        return address
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


class _Beyond:
    """Addresses beyond ASCII (RFC 6531): a stand-in while the headers are folded, else mangled."""

    def __init__(self, row: OutboundEmail) -> None:
        self._stem = f"x{row.message_id.partition('@')[0]}"
        self._addresses: dict[bytes, bytes] = {}

    def named(self, name: str, address: str) -> str:
        """A From, To or Reply-To field."""
        address = wire_address(address)
        if not address.isascii():
            stand_in = f"{self._stem}{len(self._addresses)}@stand-in.invalid"
            self._addresses[stand_in.encode()] = address.encode()
            address = stand_in
        return formataddr((" ".join(printable(name).split()), address), "utf-8")

    def restored(self, mail: bytes) -> bytes:
        """The mail with the addresses themselves in its head.

        And with no field that begins on its second line, which not everybody can read.
        """
        head, gap, body = mail.partition(b"\r\n\r\n")
        head = re.sub(rb"^([!-9;-~]+:) ?\r\n +", rb"\1 ", head, flags=re.MULTILINE)
        for stand_in, address in self._addresses.items():
            head = head.replace(stand_in, address)
        return head + gap + body


def _content(row: OutboundEmail) -> Message:
    """Text and HTML; with pictures that belong into it, and files, where there are any."""
    stem = f"=_{row.message_id.partition('@')[0]}"
    mail: MIMEMultipart = MIMEMultipart("alternative", boundary=stem)
    for subtype, body in (("plain", row.body_text), ("html", row.body_html)):
        part = MIMENonMultipart("text", subtype)
        part.set_payload(printable(body or ""), _utf8)
        mail.attach(part)
    files = [file for file in row.context.get("files", ()) if file.get("attached")]
    inline = [file for file in files if file.get("content_id")]
    for kind, its in (("related", inline), ("mixed", [f for f in files if f not in inline])):
        if its:
            outer = MIMEMultipart(kind, boundary=f"{stem}.{kind}")
            for inner in (mail, *_parts(its)):
                del inner["MIME-Version"]  # the outermost alone has one
                outer.attach(inner)
            mail = outer
    return mail


def _parts(files: Iterable[Mapping[str, Any]]) -> Iterable[Message]:
    for file in files:
        kind, _, subtype = file["type"].partition("/")
        if kind in ("multipart", "message") or not subtype:
            kind, subtype = "application", "octet-stream"
        try:
            with storage().open(file["sha256"]) as source:
                data = source.read()
        except OSError as error:
            raise PutOff(f"the file {file['name']} cannot be read: {error.strerror}") from error
        part = MIMENonMultipart(kind, subtype)
        part.set_payload(base64.encodebytes(data).decode("ascii"))
        part["Content-Transfer-Encoding"] = "base64"
        name = file["name"] if file["name"].isascii() else ("utf-8", "", file["name"])
        content_id = file.get("content_id", "")
        if content_id and _is_id(content_id):
            part["Content-ID"] = f"<{content_id}>"
        place = "inline" if content_id else "attachment"
        part.add_header("Content-Disposition", place, filename=name)
        yield part


def _signed(mail: bytes, mailbox: Mailbox | None) -> bytes:
    """*mail* with a DKIM signature (RFC 6376) of its mailbox's domain, where there is a key."""
    if mailbox is None or not mailbox.dkim_key or not mailbox.dkim_selector:
        return mail
    domain = wire_address(mailbox.address).rpartition("@")[2]
    try:
        signature: bytes = dkim.sign(
            mail,
            mailbox.dkim_selector.encode("ascii"),
            domain.encode("ascii"),
            unseal(mailbox.dkim_key).encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.encode() for name in SIGNED],
        )
    except (dkim.DKIMException, Unreadable, ValueError) as error:
        raise PutOff(f"the DKIM key of {mailbox.address} does not work: {error}") from error
    return signature + mail


def _header(text: str) -> str:
    text = " ".join(printable(text).split())
    return text if text.isascii() else Header(text, "utf-8").encode().replace("\n", "")


def _is_id(text: str) -> bool:
    """True for an id that can stand in a header: others' ids may hold anything."""
    return text.isascii() and text.isprintable() and not set(text) & set(" <>") and len(text) < 900
