"""One conversation with an IMAP server: connect, sign in, wait for news, file what was taken."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from imapclient import SEEN, IMAPClient, SocketTimeout
from imapclient.exceptions import (
    IMAPClientAbortError,
    IMAPClientError,
    IMAPClientReadOnlyError,
    LoginError,
)

from app.core.errors import DomainError
from app.mail.credentials import ImapAccount
from app.mail.models import AfterStoring, ImapAuth, Security

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 60.0  # how long the server may be silent within an answer
LOST = (IMAPClientAbortError, OSError)  # the connection is of no more use
TROUBLE = (IMAPClientError, OSError, DomainError)  # what a server, a line or a setting can do to us

__all__ = ["LOST", "TROUBLE", "Client", "LoginError", "connect", "sign_in", "words"]


class Client(IMAPClient):
    """IMAPClient that can be woken while it waits for news."""

    wake: socket.socket | None = None  # readable once there is something else to do
    _has_looked = True

    def wait_for_news(self, seconds: float) -> None:
        """IDLE (RFC 2177) until the server tells something, `wake` is readable or time is over."""
        # What came along with the answer to another command is not told again in IDLE.
        counts = self._imap.untagged_responses.get("EXISTS", [])  # since the folder was opened
        if any(count != counts[0] for count in counts):
            return
        self._has_looked = False
        self.idle()
        if not self.idle_check(timeout=0):
            self.idle_check(timeout=seconds)
        self.idle_done()

    def _poll_socket(self, sock: socket.socket, timeout: float | None = None) -> Any:
        """Look at what was read already once: news that came along with the answer to IDLE.

        The socket is not readable then, and we would hear of that mail with the next one only.
        """
        if not self._has_looked:
            self._has_looked = True
            return True
        poller = select.poll()
        for one in (sock, self.wake):
            if one is not None:
                poller.register(one.fileno(), select.POLLIN)
        return poller.poll(None if timeout is None else timeout * 1000)

    def hang_up(self) -> None:
        """End the conversation without a word, for a connection that may be lost."""
        with suppress(*LOST):
            self.shutdown()


def connect(account: ImapAccount) -> Client:
    """Connect; the server's certificate must fit (private authorities: ``SSL_CERT_FILE``).

    Raises:
        OSError: there is no way, or TLS fails. IMAPClientError: the server speaks no IMAP, or no
            STARTTLS.
    """
    context = ssl.create_default_context()
    client = Client(
        account.host,
        account.port,
        ssl=account.security is Security.TLS,
        ssl_context=context,
        timeout=SocketTimeout(CONNECT_SECONDS, ANSWER_SECONDS),  # type: ignore[arg-type]
    )
    # It writes out every message as text for a log that nobody reads: three times its size.
    client._imap.debug = 0
    try:
        # A server that vanished while we wait for news is noticed after some minutes.
        client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        if account.security is Security.STARTTLS:
            client.starttls(context)
    except BaseException:
        client.hang_up()
        raise
    return client


def sign_in(client: Client, account: ImapAccount, *, access_token: str = "") -> None:
    """Sign in with the password or the access token.

    Raises:
        LoginError: refused. IMAPClientAbortError: the connection was lost.
    """
    try:
        _sign_in(client, account, access_token)
    except LoginError as error:
        if isinstance(error.__context__, IMAPClientAbortError):  # else a cut looked like a refusal
            raise error.__context__ from None
        raise


def _sign_in(client: Client, account: ImapAccount, access_token: str) -> None:
    if account.auth is ImapAuth.OAUTH2:
        if client.has_capability("AUTH=OAUTHBEARER") and not client.has_capability("AUTH=XOAUTH2"):
            client.oauthbearer_login(account.user, access_token)
        else:
            client.oauth2_login(account.user, access_token)
    elif client.has_capability("AUTH=PLAIN"):  # LOGIN knows no letters beyond ASCII
        client.plain_login(account.user, account.password)
    else:
        client.login(account.user, account.password)


def file_away(client: Client, account: ImapAccount, uids: Sequence[int]) -> None:
    """Flag or move messages of the open folder as the mailbox wants; those that are gone are not.

    Raises:
        IMAPClientError: the server refuses.
    """
    if account.after is AfterStoring.FLAG:
        client.add_flags(uids, [SEEN], silent=True)
    elif account.after is AfterStoring.MOVE:
        try:
            _move(client, uids, account.after_folder)
        except IMAPClientAbortError:
            raise
        except IMAPClientError:
            if client.folder_exists(account.after_folder):
                raise
            client.create_folder(account.after_folder)
            _move(client, uids, account.after_folder)


def _move(client: Client, uids: Sequence[int], folder: str) -> None:
    """MOVE (RFC 6851), or what was done before there was that."""
    if client.has_capability("MOVE"):
        client.move(uids, folder)
        return
    client.copy(uids, folder)
    client.delete_messages(uids, silent=True)
    if client.has_capability("UIDPLUS"):  # without it others' deleted messages would go as well
        client.uid_expunge(uids)


def uids(client: Client, criteria: Iterable[str]) -> list[int]:
    """UIDs in the open folder that fit, in rising order."""
    return sorted(int(uid) for uid in client.search(list(criteria)))


def words(error: BaseException) -> str:
    """What went wrong, for people."""
    told = str(error).strip()
    if told.startswith(("b'", 'b"')):  # imaplib passes on bytes as they print
        told = told[2:-1]
    match error:
        case LoginError():
            return f"Sign-in was refused: {told}"
        case ssl.SSLCertVerificationError():
            return f"The server's certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or told}"
        case socket.gaierror():
            return f"There is no such server: {error.strerror}"
        case TimeoutError():
            return "The server does not answer."
        case ConnectionRefusedError():
            return "Nothing listens on that port of the server."
        case OSError():
            return f"The connection was lost: {error.strerror or told}"
        case IMAPClientReadOnlyError():
            return f"We may read the folder, but neither flag nor move what is in it: {told}"
        case IMAPClientAbortError():
            return f"The connection was lost: {told}"
    return told or type(error).__name__
