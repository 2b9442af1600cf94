"""What a delivery report says: who was not reached, why, and which mail it was about (pure).

Reports for programs (RFC 3464) are believed first, then X-Failed-Recipients, then the words of
the notice. Whether a report is true is not decided here: anybody can write one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.mail import bounce_notices, charsets, headers, mime
from app.mail.bounce_notices import MAX_REASON
from app.mail.parsing import ParsedEmail, parse

MAX_RECIPIENTS = 1_000  # of one report
MAX_REPORT = 1_000_000  # bytes of a report that are read
MAX_ORIGINAL = 200_000  # bytes of the returned mail in which its header is looked for


class Action(StrEnum):
    """What became of a recipient's copy (RFC 3464, section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class BouncedRecipient:
    """One recipient of a report.

    ``address`` is the one that the mail was sent to, ``final_address`` the one it ended up at
    (often the same). ``status`` is an enhanced code such as ``5.1.1``, or empty. ``is_hard``:
    the address itself is wrong or gone; a full mailbox, a size, a policy or a time-out is not.
    """

    address: str
    action: Action
    status: str = ""
    reason: str = ""
    is_hard: bool = False
    final_address: str = ""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery report. ``original_message_id`` has no brackets, empty where it is not told."""

    recipients: tuple[BouncedRecipient, ...]
    original_message_id: str = ""

    @property
    def failed(self) -> tuple[BouncedRecipient, ...]:
        """Those whom the mail will not reach any more."""
        return tuple(one for one in self.recipients if one.action is Action.FAILED)


def read(mail: ParsedEmail) -> Bounce:
    """What a mail that `automatic.classify` calls a bounce says. Never raises."""
    if wrapped := _wrapped_report(mail):
        mail = wrapped
    recipients = list(_from_reports(mail)) or _from_words(mail)
    original = _original_fields(mail)
    if not recipients:
        recipients = _sole_recipient(mail, original)
    ids = headers.message_ids(" ".join(original.get("message-id", ())))
    told = ids or _ids_in_text(mail) or mail.in_reply_to or mail.references[-1:]
    return Bounce(tuple(recipients), told[0] if told else "")


def _wrapped_report(mail: ParsedEmail) -> ParsedEmail | None:
    """The report itself, where a gateway put it whole into a mail of its own with a disclaimer."""
    if mail.content_type == "multipart/report" or len(mail.attachments) != 1:
        return None
    (part,) = mail.attachments
    if part.content_type != "message/rfc822" or part.size > MAX_REPORT:
        return None
    inner = parse(part.data)
    return inner if inner.content_type == "multipart/report" else None


def _recipient(
    address: str, action: Action, *, status: str = "", reason: str = "", final_address: str = ""
) -> BouncedRecipient:
    if not status or status.endswith(".0.0"):  # it says nothing: maybe the reason does
        status = status_in(reason) or status
    return BouncedRecipient(
        address=address,
        action=action,
        status=status,
        reason=" ".join(reason.split())[:MAX_REASON],
        is_hard=action is Action.FAILED and is_hard(status, reason),
        final_address=final_address or address,
    )


# Reports for programs


_status = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


def _from_reports(mail: ParsedEmail) -> Iterator[BouncedRecipient]:
    seen: set[tuple[str, Action]] = set()
    for part in mail.attachments:
        if part.content_type not in (
            "message/delivery-status",
            "message/global-delivery-status",
            "message/disposition-notification",
        ):
            continue
        for group in _groups(part.data[:MAX_REPORT]):
            found = _of_group(group)
            if found and (found.address, found.action) not in seen and len(seen) < MAX_RECIPIENTS:
                seen.add((found.address, found.action))
                yield found


def _groups(data: bytes) -> Iterator[dict[str, str]]:
    """The groups of fields of a report, parted by blank lines."""
    text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for block in re.split(rb"\n[ \t]*\n", text.strip(b"\n"), maxsplit=2 * MAX_RECIPIENTS):
        fields: dict[str, str] = {}
        for name, value in mime.read(block + b"\n\n").fields:
            fields.setdefault(name, headers.decode_words(charsets.decode(value)))
        yield fields


def _of_group(fields: dict[str, str]) -> BouncedRecipient | None:
    final = _address_in(fields.get("final-recipient", ""))
    address = _address_in(fields.get("original-recipient", "")) or final
    if not address:
        return None
    diagnostic = fields.get("diagnostic-code", "")
    kind, semicolon, told = diagnostic.partition(";")
    reason = told.strip() if semicolon and " " not in kind.strip() else diagnostic
    status = _status.search(fields.get("status", ""))
    comment = fields.get("status", "").partition(" ")[2].strip("( )")
    if "disposition" in fields:  # a refusal by the recipient's own rules, told as a receipt
        return _recipient(address, Action.FAILED, reason=fields["disposition"])
    return _recipient(
        address,
        _action(fields.get("action", ""), status[0] if status else ""),
        status=status[0] if status else "",
        reason=reason or comment,
        final_address=final,
    )


def _action(word: str, status: str) -> Action:
    word = word.strip().lower()
    for prefix, action in (
        ("fail", Action.FAILED),
        ("delay", Action.DELAYED),
        ("deliver", Action.DELIVERED),
        ("relay", Action.RELAYED),
        ("expand", Action.EXPANDED),
    ):
        if word.startswith(prefix):
            return action
    return {"2": Action.DELIVERED, "4": Action.DELAYED}.get(status[:1], Action.FAILED)


def _address_in(value: str) -> str:
    """The address of ``rfc822; address``, with or without brackets and type."""
    found = headers.addresses(value.rpartition(";")[2])
    return found[0].email if found else ""


# Words for people


def _from_words(mail: ParsedEmail) -> list[BouncedRecipient]:
    action = Action.DELAYED if bounce_notices.is_delay(mail) else Action.FAILED
    named = [
        (address.email, "")
        for value in mail.fields.get("x-failed-recipients", ())
        for address in headers.addresses(value)
    ]
    told = {one.address.lower(): one for one in bounce_notices.addresses(mail)}
    if not named:
        named = [(one.address, one.reason) for one in told.values()]
    general = bounce_notices.reason_in(bounce_notices.split(mail.text)[0])
    return [
        _recipient(
            address,
            action,
            reason=reason or (told[address.lower()].reason if address.lower() in told else general),
        )
        for address, reason in named[:MAX_RECIPIENTS]
    ]


def status_in(reason: str) -> str:
    """The enhanced status code in a server's words, or the empty string."""
    found = _status.search(reason[:2_000])
    return found[0] if found and found[1] != "2" else ""


def _sole_recipient(
    mail: ParsedEmail, original: Mapping[str, tuple[str, ...]]
) -> list[BouncedRecipient]:
    """A notice that names nobody means the one to whom the returned mail went."""
    sent_to = headers.addresses(", ".join(original.get("to", ()) + original.get("cc", ())))
    if len(sent_to) != 1:
        return []
    action = Action.DELAYED if bounce_notices.is_delay(mail) else Action.FAILED
    reason = bounce_notices.reason_in(bounce_notices.split(mail.text)[0])
    return [_recipient(sent_to[0].email, action, reason=reason)]


# The returned mail


_message_id = re.compile(
    r"^[>|\s]{0,20}(?:Original-)?Message-ID[ \t]*:\s{0,20}<([^<>\s]{1,255})>", re.I | re.M
)
_quote_mark = re.compile(r"^[>|] ?", re.MULTILINE)
_header_start = re.compile(
    r"^[>|]? ?(?:Received|Return-Path|From|To|Date|Message-ID)[ \t]*:", re.I | re.M
)


def _original_fields(mail: ParsedEmail) -> dict[str, tuple[str, ...]]:
    """The header of the mail that came back: attached, as headers alone, or pasted as text."""
    for part in mail.attachments:
        if part.content_type in (
            "message/rfc822",
            "message/global",
            "text/rfc822-headers",
            "message/rfc822-headers",
            "message/global-headers",
        ):
            fields = _fields(part.data[:MAX_ORIGINAL])
            if fields:
                return fields
    pasted = bounce_notices.split(mail.text)[1][:MAX_ORIGINAL]
    start = _header_start.search(pasted)
    if start is None:
        return {}
    text = _quote_mark.sub("", pasted[start.start() :])
    return _fields(text.encode("utf-8", "replace"))


def _fields(data: bytes) -> dict[str, tuple[str, ...]]:
    root = mime.read(data)
    return {name: tuple(root.get_all(name)) for name in dict.fromkeys(n for n, _ in root.fields)}


def _ids_in_text(mail: ParsedEmail) -> tuple[str, ...]:
    for part in mail.attachments:
        if part.content_type == "message/disposition-notification":
            for group in _groups(part.data[:MAX_REPORT]):
                if found := headers.message_ids(group.get("original-message-id", "")):
                    return found
    return tuple(_message_id.findall(mail.text[:MAX_ORIGINAL]))[:1]


# Hard or soft


_HARD = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4", "5.4.310"}
_SOFT = {"5.1.7", "5.1.8", "5.2.2", "5.2.3", "5.3.4", "5.4.6", "5.4.7"}
_hard_words = re.compile(
    r"(?:user|recipient|mailbox|address|account|addressee|alias|userid|domain|host)s?\b[^.;]{0,40}"
    r"(?:\bunknown|(?:\bnot|n['’]t) (?:be )?(?:found|exist|known|listed|recogni[sz]ed|local|valid)"
    r"|unavailable|disabled|discontinued|deactivated|inactive|invalid|rejected|closed|suspended"
    r"|no longer)"
    r"|(?:unknown|no such|invalid|illegal|non-?existent|bad|no valid|no)\b[^.;]{0,30}"
    r"\b(?:user|recipient|mailbox|address|account|addressee|local part|domain|host|destination)"
    r"|does(?: not|n['’]t) (?:exist|have a)|wrong or no longer|unroute?able|not listed in|not our"
    r" customer|n['’]existe pas|inconnu|unbekannt|existiert nicht|no existe|desconocid|não existe"
    r"|inesistente|non esiste|onbekend|bestaat niet|nie istnieje|не существует|не найден"
    r"|存在しません|不存在|无此用户|查无此",
    re.IGNORECASE,
)
_soft_words = re.compile(
    r"quota|\bfull\b|exceed|too (?:large|big|many|busy)|over (?:the )?(?:size|limit)|spam|junk"
    r"|block|blacklist|black list|listed at|reputation|policy|content|virus|unsolicited|greylist"
    r"|temporar|busy|try again|timed? ?out|time-out|connection|connect to|not responding|disk|space"
    r"|loop|relay(?:ing)? (?:not|denied|access)|to relay|DMARC|SPF|DKIM|sender address|authenticat",
    re.IGNORECASE,
)


def is_hard(status: str, reason: str) -> bool:
    """True where no mail will reach this address, whoever sends it and whenever.

    The enhanced status decides where it is precise (RFC 3463, section 3); many servers give a
    vague or a wrong one with clear words, and then these do. In doubt it is soft: a hard bounce
    stops all mail to that address.
    """
    if status.startswith("4") or status in _SOFT:
        return False
    if status in _HARD:
        return True
    return bool(_hard_words.search(reason[:2_000])) and not _soft_words.search(reason[:2_000])
