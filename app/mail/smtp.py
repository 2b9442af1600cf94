"""Handing a mail to a server over SMTP, and reading in its answers what is to be done."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import create_default_context
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS = 30.0  # for each answer of the server
MOST_HANG_UPS = 3  # in a row: then it is the server, not the mails
SIGN_IN_NEEDED = (530, 538)  # RFC 4954, section 6: our setting is wrong, not the mail


class ServerDown(Exception):
    """The server cannot be reached or will take nothing now: the rest of the round waits too."""


class Rejected(Exception):
    """The server, or the mail itself, says that it can never be sent."""


class PutOff(Exception):
    """The server says that this mail may be tried again."""


class HungUp(PutOff):
    """The server ended the conversation, or fell silent, in the midst of this mail."""


class Server:
    """One SMTP connection at a time for a round, made when a mail needs it."""

    def __init__(self, url: str, own_name: str) -> None:
        self._parts = urlsplit(url)
        self._own_name = own_name
        self._connection: smtplib.SMTP | None = None
        self._hung_up = 0  # times in a row

    def send(self, sender: str, recipient: str, data: bytes) -> None:
        """Hand over one mail; returns once the server has taken responsibility for it.

        Raises:
            ServerDown, PutOff, Rejected: by the server's reply code (RFC 5321, section 4.2.1).
        """
        try:
            connection = self._addressed(sender, recipient, len(data))
            with self._conversation(connection):
                _transfer(connection, data)
        except HungUp as error:
            self._hung_up += 1
            if self._hung_up == MOST_HANG_UPS:
                raise ServerDown(str(error)) from error
            raise
        self._hung_up = 0

    def _addressed(self, sender: str, recipient: str, size: int) -> smtplib.SMTP:
        """A connection whose server waits for the content of a mail to *recipient*."""
        while True:
            is_kept = self._connection is not None
            connection = self._connection or self._connect()
            options = [f"SIZE={size}"] if connection.has_extn("size") else []
            if not (sender + recipient).isascii():
                if not connection.has_extn("smtputf8"):
                    raise Rejected("the mail server takes no addresses beyond ASCII")
                options.append("SMTPUTF8")
            try:
                with self._conversation(connection):
                    _check(*connection.mail(sender, options))
                    _check(*connection.rcpt(recipient))
            except HungUp:
                if is_kept:  # servers end old connections, also after many wrong recipients
                    continue
                raise
            return connection

    @contextmanager
    def _conversation(self, connection: smtplib.SMTP) -> Iterator[None]:
        """Afterwards the connection is ready for the next mail, or gone."""
        try:
            yield
        except HungUp:
            self._drop()
            raise
        except (Rejected, PutOff, ServerDown):
            self._reset(connection)
            raise
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise HungUp(_said(error)) from error

    def _reset(self, connection: smtplib.SMTP) -> None:
        try:
            connection.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _drop(self) -> None:
        """End the connection without a word."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        parts = self._parts
        host = parts.hostname or "localhost"
        try:
            if parts.scheme == "smtps":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    host,
                    parts.port or 465,
                    local_hostname=self._own_name,
                    timeout=TIMEOUT_SECONDS,
                    context=create_default_context(),
                )
            else:
                port = parts.port or (587 if parts.scheme == "smtp+starttls" else 25)
                connection = smtplib.SMTP(
                    host, port, local_hostname=self._own_name, timeout=TIMEOUT_SECONDS
                )
            self._connection = connection
            if parts.scheme == "smtp+starttls":
                connection.starttls(context=create_default_context())
            connection.ehlo_or_helo_if_needed()
            if parts.username:
                connection.login(unquote(parts.username), unquote(parts.password or ""))
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise ServerDown(f"{host}: {_said(error)}") from error
        return connection

    def check(self) -> None:
        """Connect and sign in, but send nothing.

        Raises:
            ServerDown: it cannot be reached, or does not let us in.
        """
        self._connect()

    def close(self) -> None:
        """Say good-bye, if there is anybody to say it to."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (OSError, smtplib.SMTPException):
                connection.close()


def _transfer(connection: smtplib.SMTP, data: bytes) -> None:
    try:
        _check(*connection.data(data))
    except smtplib.SMTPDataError as error:  # it did not ask for the content
        _check(error.smtp_code, error.smtp_error)
        raise HungUp(_said(error)) from error


def _check(code: int, text: bytes | str) -> None:
    """Return on success.

    Raises:
        Rejected, HungUp, ServerDown, PutOff: 5xx is for ever, but for a sign-in that is missing;
            421 and what is no reply end the conversation; the rest may be tried again.
    """
    if 200 <= code < 300:
        return
    words = _words(code, text)
    if code in SIGN_IN_NEEDED:
        raise ServerDown(words)
    if 500 <= code < 600:
        raise Rejected(words)
    raise (HungUp if code == 421 or code < 200 else PutOff)(words)


def _words(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code if code > 0 else 'no reply in SMTP:'} {' '.join(said.split())}"


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _words(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__


def public_name(url: str) -> str:
    """``smtps://mail.example:465``: a server's URL without user and password."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or 'localhost'}{port}"
