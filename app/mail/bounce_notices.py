"""Delivery notices as mail servers word them for people, where no program was thought of (pure).

Rules are tried in order, the general ones first: how an address is set (alone on a line, before a
colon, behind a label), then the sentences. No rule knows a single server.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from app.mail.parsing import ParsedEmail

MAX_NOTICE = 20_000  # characters of a notice that are looked at
MAX_FOUND = 200  # addresses of one notice
MAX_REASON = 500  # characters


class Named(NamedTuple):
    """An address that a notice names, and what it says about it."""

    address: str
    reason: str


_ADDRESS = r"(?P<address>[^\s<>()\[\]\"',;:|=@/\\]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
_any_address = re.compile(_ADDRESS)
_BULLET = r"[ \t]*(?:[*•>–-]{1,3}[ \t]*)?"
_LABEL = (
    r"(?:(?:failed|intended|final|original|undeliverable|invalid|bad|unknown|rejected|recipient)"
    r"[ \t-]+){0,2}(?:recipients?|address|addressee|user|mailbox)|error-for|destinataire"
    r"|empfänger|destinatario|destinatário|odbiorca|получатель|収信者|宛先|收件人"
)
_SAYS_NO = (
    r"(?:deliver(?:ed|y|able)?|addressed|returned|undeliverable|rejected|refused|remis|zugestellt"
    r"|entregad[oa]|entregue|consegnat[oa]|doręczon[ya]|bezorgd|доставлен[оа]?|error)"
)
_NO_USER = (
    r"(?:unknown user|user unknown|no such user|invalid final delivery userid|quota violation for"
    r"|(?:mail)?box is full|over ?quota|local mailbox|delivery failed \d+ attempts)"
)
# Each with the group ``address``; the first that finds anything gives them all.
_RULES = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        # <address>: reason
        rf"^{_BULLET}<{_ADDRESS}>(?:[ \t]*\([^()\n]{{0,200}}\))?:",
        # Label: address
        rf"^{_BULLET}(?:{_LABEL})[ \t]*[:：][ \t]*[<\[\"]?(?:smtp:|rfc822;[ \t]*)?{_ADDRESS}",
        # the address alone on its line, or with a date, a result or a reason behind it
        rf"^{_BULLET}[<\[\"']?{_ADDRESS}[>\]\"']?[ \t]*"
        r"(?:[.,;]?$|[:：]|\.\.\.|\(|; action| on \w+,? \d| - )",
        # the name that an X.400 gateway gives to it
        rf"\bdda:SMTP={_ADDRESS}",
        # ... could not be delivered to address
        rf"\b{_SAYS_NO}\b[^.:@]{{0,80}}?\b(?:to|for|an|à|a|para|al?|do|aan|для|на)\b[^.@]{{0,50}}?"
        rf"[\s:<\"'(]{_ADDRESS}",
        rf"\b(?:did not reach|unable to deliver|message to|was addressed)\b[^.@]{{0,80}}?"
        rf"[\s:<\"'(]{_ADDRESS}",
        rf"{_NO_USER}[\s:<]{{0,10}}{_ADDRESS}",
        rf"\bRCPT TO:[ \t]*<{_ADDRESS}>",
        rf"^{_BULLET}[<\"']?{_ADDRESS}",
        rf"\((?:generated|expanded) from:? <?{_ADDRESS}>?\)",
    )
)
_subject_rule = re.compile(
    rf"(?:undeliver\w*|fail\w*|user unknown|warning|delayed)\b.{{0,40}}?{_ADDRESS}", re.IGNORECASE
)

# Where the notice ends and the mail that it returns begins.
_MAIL = r"(?:message|mail|e-mail|header|nachricht|mensaje|mensagem|messaggio|bericht|wiadomość)s?"
_original = re.compile(
    rf"^[ \t]*(?:[-=*_|]{{2,}}+[ \t]*+(?:attachment is |this is |below |the |here is )?.{{0,40}}"
    rf"(?:original|copy|returned|unsent|source|forwarded|below th(?:is|e)|message text|следующ"
    rf"|копия|原|附件)"
    rf"|(?:the |your |a copy of the )?(?:original|old|returned)[ \t]{_MAIL}\b.{{0,40}}:?[ \t]*$"
    rf"|original message (?:follows|as received|details|headers)|message headers? follows?"
    rf"|(?:included|here|below) is a copy of|a copy of the original message"
    rf"|your message reads"
    rf"|[>|]?[ \t]?(?:Received|Return-Path|Message-ID|X-Mailer|MIME-Version)[ \t]*:[ \t])",
    re.IGNORECASE | re.MULTILINE,
)

_machine_name = re.compile(
    r"(?:mail(?:er)?[ _.-]?daemon|postmaster|mdaemon|internet mail delivery|ndr"
    r"|.{0,30}mail delivery (?:sub)?(?:system|service)s?|mail[ _.]?deliver\w*|delivery subsystem"
    r"|(?:mail )?(?:system )?administrator|mail(?:er)? (?:service|system)|.{0,40}smtp.{0,40})",
    re.IGNORECASE,
)
_failure_subject = re.compile(
    r"(?:undeliver|non-?deliver|unzustellbar|nicht zustellbar|mail (?:system )?(?:error|delivery"
    r"|could not|not delivered|failed)|(?:message|email|permanent|your)? ?deliver(?:y|ed) (?:status"
    r"|notification|failure|failed|report|problem|error|has failed|delayed|warning|incomplete)"
    r"|(?:message|e-?mail) (?:delivery|could not|delayed|not delivered)"
    r"|returned (?:mail|e-?mail|message|to sender)|failure (?:notice|delivery)|failed mail"
    r"|mail failed|automatically rejected|address not found|processing error"
    r"|warning: (?:message|could not|.{0,80}user unknown)|delayed mail|your message to .{1,100}"
    r" could not|message has not yet|échec de (?:la )?remise|non remis"
    r"|no se (?:puede|pudo) entregar|não (?:foi )?entregue|mancato recapito"
    r"|impossibile recapitare|onbestelbaar"
    r"|niedostarczon|nie można dostarczyć|недоставлен|не доставлено|ваше сообщение не доставлено"
    r"|配信不能|配信エラー|メール配信|送信できません|邮件退信|退信|系统退信|无法投递|投递失败)",
    re.IGNORECASE,
)
_failure_text = re.compile(
    r"(?:could|can|would|did|does|do|was|were|has|have)(?: ?not|n['’]t)\b[^.@]{0,40}"
    r"(?:deliver|reach|receiv|able|exist|accept)|cannot be delivered|unable to deliver"
    r"|undeliver(?:able|ed)|deliver[ey]{1,2}r?y?[^.@]{0,60}\b(?:failed|aborted|failure|delayed)"
    r"|delivery errors|failed recipient|automatically rejected|no such user|unknown user"
    r"|user unknown|invalid final delivery|error-for:|delivery problems"
    r"|has been (?:delayed|postponed)|following address(?:\(?es\)?)? failed|delivery report"
    r"|nicht zugestellt|non (?:è stato|remis)|n['’]a pas pu|no (?:se pudo|pudo ser) entreg"
    r"|não (?:p[ôo]de|foi) ser entreg|niet (?:worden )?bezorgd|nie (?:został|można)"
    r"|не (?:может быть|было|удалось) доставлен|届け|配信でき"
    r"|送信できません|无法(?:投递|送达|发送)|投递失败",
    re.IGNORECASE,
)
_smtp_reply = re.compile(r"(?:^|[\s#(\[:])[45](?:\d\d[ -]|\.\d{1,3}\.\d{1,3}\b)|\bnon-delivery rep")
_delay = re.compile(
    r"not yet been delivered|\bdelayed\b|will be (?:retried|repeated)|warning (?:message )?only"
    r"|attempts will continue|will continue (?:to )?(?:try|attempt)|been postponed|still (?:being"
    r" retried|awaiting|trying)|just a warning|verzögert|noch nicht zugestellt|retardé"
    r"|aún no (?:ha sido|se ha) entreg|vertraagd|opóźnion|задерж|遅延",
    re.IGNORECASE,
)
_final = re.compile(r"permanent|given up|giving up|not going to try again|fatal", re.IGNORECASE)
_not_a_recipient = re.compile(r"(?:postmaster|mailer-daemon|mdaemon|abuse|hostmaster)@", re.I)


def split(text: str) -> tuple[str, str]:
    """The notice itself, and the mail that was pasted below it (or the empty string)."""
    text = text[:200_000]
    for match in _original.finditer(text, 0, MAX_NOTICE):
        if text[: match.start()].strip():
            return text[: match.start()][:MAX_NOTICE], text[match.start() :]
    return text[:MAX_NOTICE], ""


def is_notice(mail: ParsedEmail) -> bool:
    """True where a mail server says, in words alone, that it could not deliver something.

    The sender and the words have to agree; what customers write about failed deliveries, and
    notices that they forward, are theirs.
    """
    local_part, _, domain = mail.from_email.partition("@")
    by_machine = bool(
        _machine_name.fullmatch(local_part.strip("\\\"' "))
        or _machine_name.fullmatch(mail.from_name)
    )
    subject = bool(_failure_subject.match(mail.subject))
    if not (by_machine or subject):
        return False
    notice, pasted = split(mail.text)
    words = bool(_failure_text.search(notice))
    if by_machine:
        return words or (subject and bool(domain))
    returned = any(a.content_type.startswith("message/") for a in mail.attachments)
    machine_text = bool(pasted) or returned or bool(_smtp_reply.search(notice))
    return words and machine_text and bool(addresses(mail))


def is_delay(mail: ParsedEmail) -> bool:
    """True where the server will try again."""
    notice = f"{mail.subject}\n{split(mail.text)[0]}"
    return bool(_delay.search(notice)) and not _final.search(notice)


def addresses(mail: ParsedEmail) -> list[Named]:
    """The addresses that a notice names as failed (or delayed), each once, as they are written."""
    notice, _ = split(mail.text)
    own = {mail.from_email.lower(), *(a.email.lower() for a in mail.to)}
    for rule in _RULES:
        if found := _usable(rule.finditer(notice), notice, own):
            return found
    if found := _usable(_subject_rule.finditer(mail.subject), mail.subject, own):
        return [Named(one.address, reason_in(notice)) for one in found]
    if local := _local_names(mail, notice):
        return local
    rest = _usable(_any_address.finditer(notice), notice, own)
    return rest if len(rest) == 1 else []


def reason_in(notice: str) -> str:
    """The line of a notice that says why, or the empty string."""
    for line in notice.splitlines():
        if _smtp_reply.search(line[:300]):
            return _one_line(line)
    match = re.search(
        r"^[ \t]*(?:reason|because|error[\w -]{0,20})[ \t]*:\s*(.+)", notice, re.I | re.M
    )
    return _one_line(match[1]) if match else ""


def _usable(matches: object, notice: str, own: set[str]) -> list[Named]:
    found: dict[str, Named] = {}
    for match in matches:  # type: ignore[attr-defined]
        address = match["address"].rstrip(".")
        key = address.lower()
        if key in own or _not_a_recipient.match(key) or len(found) >= MAX_FOUND:
            continue
        if key not in found:
            found[key] = Named(address, _reason_after(notice, match.end("address")))
    return list(found.values())


def _reason_after(notice: str, position: int) -> str:
    """What follows an address: the rest of its line, and the lines below up to a blank one."""
    lines = notice[position : position + 2_000].lstrip(">]\"' ):：").split("\n")
    taken: list[str] = []
    for index, line in enumerate(lines):
        said = _one_line(" ".join(taken))
        if (not line.strip() and said and not said.endswith(":")) or (
            index and _any_address.match(line.strip().lstrip("<*- "))
        ):
            break
        taken.append(line)
    reason = _one_line(" ".join(taken)).lstrip(".,;:- ")
    return reason if any(c.isalpha() for c in reason) else reason_in(notice)


def _one_line(text: str) -> str:
    return " ".join(text.split()).strip(" >]\"'")[:MAX_REASON]


_list_start = re.compile(r"following (?:recipients?|address\w*)[^:]{0,120}:\s*\n")
_local_name = re.compile(r"[ \t]+([\w.+-]{1,64})[ \t]*$")


def _local_names(mail: ParsedEmail, notice: str) -> list[Named]:
    """Names without a domain, as a provider lists its own users: the domain is the notice's."""
    domain = mail.from_email.partition("@")[2]
    start = _list_start.search(notice)
    if not start or not domain:
        return []
    names = []
    for line in notice[start.end() :].split("\n")[:MAX_FOUND]:
        match = _local_name.fullmatch(line)
        if match:
            names.append(Named(f"{match[1]}@{domain}", reason_in(notice)))
        elif line.strip():
            break
    return names
