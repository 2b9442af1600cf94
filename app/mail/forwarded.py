"""A mail that somebody passed on: who wrote it first, and what (pure).

Mail programs put the first mail's header into the text, in their user's language, or attach the
whole mail. A reply quotes in the same way, so something has to say that it is a forward: a line
of the mail program, the subject's first word, or the attached mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.mail.parsing import ParsedEmail, parse_incoming
from app.mail.quoting import FORWARDS

MAX_LINES = 2_000  # of a text in which the header is looked for
MAX_HEADER = 14  # lines that the header of a passed on mail takes, blank ones included
MAX_ATTACHED = 30_000_000  # bytes of an attached mail that is read


@dataclass(frozen=True, slots=True)
class Forwarded:
    """``text`` is what the first mail says, ``preface`` what was written above it.

    ``mail`` is the first mail, where it was attached as a whole; else None.
    """

    name: str
    email: str
    subject: str
    text: str
    preface: str
    mail: ParsedEmail | None = None


def read(mail: ParsedEmail) -> Forwarded | None:
    """The mail that *mail* passes on, or None where it passes none on, or of nobody known."""
    return _attached(mail) or _inline(mail)


def plain_subject(subject: str) -> str:
    """*subject* without the marks of forwards and replies at its start."""
    while match := _prefix.match(subject):
        subject = subject[match.end() :]
    return subject.strip()


def _attached(mail: ParsedEmail) -> Forwarded | None:
    parts = [part for part in mail.attachments if part.content_type == "message/rfc822"]
    if len(parts) != 1 or parts[0].size > MAX_ATTACHED:
        return None
    first = parse_incoming(parts[0].data)
    if not first.from_email:
        return None
    text = first.text.strip()
    subject = plain_subject(first.subject) or plain_subject(mail.subject)
    return Forwarded(
        first.from_name, first.from_email, subject, text, mail.reply_text.strip(), first
    )


_prefix = re.compile(
    rf"\s*(?:{FORWARDS}|vs|re|aw|sv|antw|rép?"
    r"|odp|ответ|回复|回覆)\s*(?:\[\d+\]|\(\d+\))?\s*[:：]",
    re.IGNORECASE,
)
_forward_subject = re.compile(
    r"\s*(?:(?:re|aw|sv|antw)\s*[:：]\s*)?"
    rf"(?:{FORWARDS}|vs)\s*[:：]",
    re.IGNORECASE,
)
# What mail programs write above the first mail.
_marker = re.compile(
    r"[-_=*>\s]{0,60}(?:(?:begin )?forwarded (?:message|by)|weitergeleitete (?:nachricht|e-?mail)"
    r"|anfang der weitergeleiteten|(?:début du )?(?:message|courriel) (?:transféré|réexpédié)"
    r"|(?:inicio del )?mensaje reenviado|(?:inizio )?messaggio inoltrato"
    r"|(?:início da )?mensagem (?:encaminhada|reencaminhada)"
    r"|(?:begin )?doorgestuurd bericht|vidarebefordrat (?:meddelande|brev)"
    r"|videresendt? (?:meddelelse|melding|besked)|(?:wiadomość|treść) przekazan"
    r"|przekazana wiadomość"
    r"|přeposlaná zpráva|пересылаемое (?:сообщение|письмо)|переадресованное сообщение"
    r"|転送(?:された)?メッセージ|転送メール|转发的?(?:邮件|信息)|轉寄的?(?:郵件|訊息))",
    re.IGNORECASE,
)
_LABELS = {
    "from": "from|von|de|da|van|från|fra|od|от|отправитель|expéditeur|remitente|mittente|afzender"
    "|nadawca|odesílatel|差出人|送信者|发件人|寄件者|寄件人|發件人",
    "date": "date|sent|sent on|gesendet|gesendet am|datum|envoyé|envoyé le|enviado|enviado el|fecha"
    "|data|data/ora|inviato|enviada em|enviado em|verzonden|skickat|dato|sendt|wysłano|odesláno"
    "|дата|отправлено|日付|日時|送信日時|发送时间|日期|發送時間|傳送時間|寄件日期",
    "to": "to|an|à|para|a|aan|till|til|do|komu|pro|кому|destinataire|destinatario|destinatário"
    "|宛先|收件人|收件者",
    "subject": "subject|betreff|objet|asunto|oggetto|assunto|onderwerp|ämne|emne|temat|předmět|тема"
    "|件名|主题|主旨|主題",
    "cc": "cc|kopie|kopia|copie à|copia|копия|抄送|副本|reply-to|antwort an",
}
_label = {
    word: kind for kind, words in _LABELS.items() for word in words.split("|")
}  # by word; no word stands for two
_line = re.compile(r"[>\s*_|]*([^\W\d_][^:：\n]{0,24}?)[\s*]*[:：][\s*]*(.*?)[\s*]*")
_address = re.compile(r"[^\s<>()\[\]:;,\"']{1,64}@[^\s<>()\[\]:;,\"'@]{1,255}")


def _inline(mail: ParsedEmail) -> Forwarded | None:
    lines = mail.text.splitlines()[:MAX_LINES]
    for above, start in _starts(lines, mail.subject):
        found = _header(lines, start)
        sender = _sender(found[0]["from"]) if found else None
        if found is None or sender is None:
            continue
        header, end = found
        return Forwarded(
            *sender,
            subject=plain_subject(header.get("subject", "")) or plain_subject(mail.subject),
            text=_unquoted(lines[end:]),
            preface=_preface(lines[:above]),
        )
    return None


def _starts(lines: list[str], subject: str) -> Iterator[tuple[int, int]]:
    """Where what was written above ends and where a header may begin, by line."""
    for number, line in enumerate(lines):
        if _marker.match(line):
            below = range(number + 1, min(number + 5, len(lines)))
            filled = next((n for n in below if lines[n].strip(" >\t")), None)
            if filled is not None and _kind(lines[filled]):
                yield number, filled
    if _forward_subject.match(subject):
        yield from ((n, n) for n, line in enumerate(lines) if _kind(line))


def _kind(line: str) -> str | None:
    match = _line.fullmatch(line[:1_000])
    return _label.get(" ".join(match[1].lower().split())) if match else None


def _header(lines: list[str], start: int) -> tuple[dict[str, str], int] | None:
    """The header that begins at a line, by kind, and where the text begins; None if it is none.

    It names a sender and two more; values may be folded.
    """
    header: dict[str, str] = {}
    kind, end = "", start
    for number in range(start, min(start + MAX_HEADER, len(lines))):
        line = lines[number]
        if found := _kind(line):
            match = _line.fullmatch(line[:1_000])
            if found in header and found != "cc":
                break
            kind, end = found, number + 1
            header[kind] = match[2] if match else ""
        elif not line.strip(" >\t"):
            if len(header) >= 3 and _next_kind(lines, number) is None:
                break
        elif kind and end == number and (kind != "subject" or line[:1].isspace()):
            header[kind], end = f"{header[kind]} {line.strip(' >')}", number + 1
        else:
            break
    return (header, end) if "from" in header and len(header) >= 3 else None


def _next_kind(lines: list[str], number: int) -> str | None:
    """What the next line with anything in it is, one or two lines further on."""
    following = (line for line in lines[number + 1 : number + 3] if line.strip(" >\t"))
    return _kind(next(following, ""))


def _sender(value: str) -> tuple[str, str] | None:
    match = _address.search(value.replace("mailto:", " "))
    if match is None:
        return None
    name = value.partition(match[0])[0].replace("mailto:", "")
    return " ".join(name.strip(" <[(\"'*").split())[:200], match[0].rstrip(".>])")


_rule = re.compile(r"\W{0,200}|[-_*=]{3,}.{0,100}[-_*=]{3,}")


def _preface(lines: list[str]) -> str:
    """What stands above the first mail, without rules and signature."""
    kept = list(_until_signature(lines))
    while kept and _rule.fullmatch(kept[-1].strip()):
        kept.pop()
    return "\n".join(kept).strip()


def _until_signature(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line.rstrip() == "--":
            return
        yield line


def _unquoted(lines: list[str]) -> str:
    """The text; where every line of it is quoted, without the marks."""
    filled = [line for line in lines if line.strip()]
    if filled and all(line.startswith(">") for line in filled):
        lines = [line[1:].removeprefix(" ") for line in lines]
    return "\n".join(lines).strip()
