"""Which mails no machine may answer (RFC 3834, section 2, and what mailers really write; pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from app.mail import bounce_notices, quoting
from app.mail.parsing import ParsedEmail


class MailKind(StrEnum):
    """What sort of mail it is; none but a personal one gets an automatic answer."""

    PERSONAL = "personal"
    ANSWER = "answer"  # an automatic answer: out of office, "we got your mail", read receipt
    BULK = "bulk"  # lists, newsletters, alerts: a machine's, but maybe worth a ticket
    BOUNCE = "bounce"  # a delivery report
    OWN = "own"  # one of our own addresses wrote it


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sort of a mail, and the header that told it (empty for a personal mail)."""

    kind: MailKind
    reason: str = ""


_answer_fields = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from")
_answer_subject = re.compile(
    r"(?:auto(?:matic|mated)?[- ]?(?:reply|response|answer)|out of (?:the )?office|vacation"
    r"|away from|automatische antwort|abwesen\w*|réponse automatique|absence"
    r"|respuesta automática|fuera de|risposta automatica|fuori sede|resposta automática"
    r"|automatisch antwoord|afwezig"
    r"|odpowiedź automatyczna|autosvar|automatisk\w*|automatická odpověď|автоответ|自動応答"
    r"|自动答复)\b",
    re.IGNORECASE,
)
# The same, or somebody's own words, where the mail answers none.
_away_subject = re.compile(
    r"(?:out of (?:the )?office|on vacation|vacation|abwesend|abwesenheit|absence(?: du bureau)?"
    r"|fuera de la oficina|fuori sede|afwezig(?:heid)?)\b[^:：]{0,30}[:：]",
    re.IGNORECASE,
)
# What mail servers write, and people do not, in front of the subject that is answered.
_server_subject = re.compile(
    r"(?:auto(?:matic|mated)?[- ]?(?:reply|response)|out of (?:the )?office auto-?reply"
    r"|automatische antwort|abwesenheits(?:notiz|nachricht|benachrichtigung)|réponse automatique"
    r"|respuesta automática|risposta automatica|resposta automática|automatisch antwoord"
    r"|odpowiedź automatyczna|automatická odpověď|autosvar|automatisk svar|автоматический ответ"
    r"|автоответ|自動応答|自動返信|自动(?:答复|回复)|自動回覆|자동 회신|automatická odpoveď"
    r"|automatikus válasz|otomatik yanıt|automaattinen vastaus|răspuns automat"
    r"|автоматична відповідь|αυτόματη απάντηση)\s?[:：]",
    re.IGNORECASE,
)
_bounce_sender = re.compile(r"(?:mailer-daemon|mail-daemon|mailerdaemon)@.*", re.IGNORECASE)
_postmaster = re.compile(r"(?:postmaster|mdaemon|mail|noreply|no-reply)?@.*", re.IGNORECASE)
_null_paths = ("<>", "")


def classify(mail: ParsedEmail, *, return_path: str | None = None, is_own: bool = False) -> Verdict:
    """The sort of *mail*.

    Args:
        return_path: the envelope's sender as the mail server told it, ``""`` for the null path;
            None where it is not known: then the Return-Path field counts.
        is_own: the sender's address is one of our own.
    """
    sender = mail.from_email.lower()
    if is_own:
        return Verdict(MailKind.OWN, f"sent by our own address {mail.from_email}")
    if return_path is None:
        fields = mail.fields.get("return-path")
        return_path = fields[0].strip() if fields else None
    null_path = return_path is not None and return_path.strip() in _null_paths
    if reason := _bounce_reason(mail, sender, null_path=null_path):
        return Verdict(MailKind.BOUNCE, reason)
    submitted = mail.header("auto-submitted").partition(";")[0].partition("(")[0].strip().lower()
    if submitted.startswith("auto-replied"):
        return Verdict(MailKind.ANSWER, f"Auto-Submitted: {submitted}")
    for name in _answer_fields:
        if mail.header(name) and mail.header(name).strip().lower() != "no":
            return Verdict(MailKind.ANSWER, f"{name.title()}: {mail.header(name)[:80]}")
    reason = _machine_reason(mail, submitted, null_path=null_path)
    if not reason:
        return _by_subject(mail)
    answers = bool(mail.in_reply_to) or bool(_answer_subject.match(mail.subject))
    is_list = any(name.startswith("list-") for name in mail.fields)
    return Verdict(MailKind.ANSWER if answers and not is_list else MailKind.BULK, reason)


def _by_subject(mail: ParsedEmail) -> Verdict:
    """What no header tells: gateways take them out, old servers write none."""
    names_old_mail = bool(mail.in_reply_to or mail.references)
    subject = mail.subject[:80]
    if _server_subject.match(subject) or (names_old_mail and _away_subject.match(subject)):
        return Verdict(MailKind.ANSWER, f"Subject: {subject}")
    return Verdict(MailKind.PERSONAL)


def looks_like_an_answer(subject: str) -> bool:
    """True for a subject that mailers give to automatic answers, whatever their headers say."""
    return bool(_answer_subject.match(subject))


def _bounce_reason(mail: ParsedEmail, sender: str, *, null_path: bool) -> str:
    report = mail.header("content-type").lower()
    if mail.content_type == "multipart/report" and "disposition-notification" not in report:
        return "a delivery report (multipart/report)"
    has_report = any(a.content_type == "message/delivery-status" for a in mail.attachments)
    if has_report and not quoting.is_forward(mail.subject):  # who passes one on wants an answer
        return "a delivery report (message/delivery-status)"
    if mail.header("x-failed-recipients"):
        return "X-Failed-Recipients"
    if _bounce_sender.fullmatch(sender):
        return f"sent by {mail.from_email}"
    if null_path and _postmaster.fullmatch(sender):
        return f"null return path, sent by {mail.from_email}"
    return "a mail server's notice" if bounce_notices.is_notice(mail) else ""


def _machine_reason(mail: ParsedEmail, submitted: str, *, null_path: bool) -> str:
    # A mail that was only forwarded by a machine was written by a person.
    if submitted and submitted not in ("no", "auto-forwarded"):
        return f"Auto-Submitted: {submitted[:80]}"
    precedence = mail.header("precedence").strip().lower()
    if precedence in ("bulk", "list", "junk", "auto_reply", "auto-reply"):
        return f"Precedence: {precedence}"
    suppress = mail.header("x-auto-response-suppress").lower()
    if any(word in suppress for word in ("all", "oof", "autoreply")):
        return f"X-Auto-Response-Suppress: {suppress[:80]}"
    for name in ("list-id", "list-unsubscribe", "list-post", "x-mailing-list"):
        if mail.header(name):
            return f"{name.title()}: {mail.header(name)[:80]}"
    if mail.content_type == "multipart/report":
        return "a read receipt"
    return "null return path" if null_path else ""
