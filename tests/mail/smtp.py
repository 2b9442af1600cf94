"""A real SMTP server for tests, which can be told how to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.mail.parsing import ParsedEmail, parse
from tests.servers import free_port


class Inbox:
    """What the server took; ``answers`` maps a recipient to its reply to RCPT or DATA."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answers: dict[str, str] = {}
        self.after_data: Callable[[Envelope], str] = lambda envelope: "250 OK"
        self.url = ""

    @property
    def mails(self) -> list[ParsedEmail]:
        return [parse(envelope.content or b"") for envelope in self.envelopes]  # type: ignore[arg-type]

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self.after_data(envelope)
        if answer.startswith("250"):
            self.envelopes.append(envelope)
        return answer


@contextmanager
def smtp_server() -> Iterator[Inbox]:
    """Serve on a free port of this machine."""
    inbox = Inbox()
    port = free_port()
    controller = Controller(
        inbox, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True, ready_timeout=60
    )
    controller.start()
    try:
        inbox.url = f"smtp://127.0.0.1:{port}"
        yield inbox
    finally:
        controller.stop()
