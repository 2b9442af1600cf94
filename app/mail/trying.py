"""Try a mailbox’s servers step by step, so that an admin sees which one fails and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.mail import fetching, imap
from app.mail.credentials import ImapAccount
from app.mail.models import AfterStoring, Security
from app.mail.smtp import Server, ServerDown, public_name


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was tried, whether it went well, and what was found or went wrong."""

    name: str
    is_ok: bool
    told: str


def try_connection(account: ImapAccount) -> list[Step]:
    """Try every step until one fails; changes nothing, and takes up to a minute.

    The caller is in no transaction: nobody should wait for a server elsewhere. An account that
    has no mailbox yet has the id 0.
    """
    steps: list[Step] = []
    name = "Connection"
    try:
        for name, told in _steps(account):
            steps.append(Step(name, True, told))
            name = _after(name)
    except imap.TROUBLE as error:
        steps.append(Step(name, False, imap.words(error)))
    return steps


def _after(name: str) -> str:
    return {"Connection": "Sign-in", "Sign-in": "Folder"}.get(name, "Folder for stored mail")


def _steps(account: ImapAccount) -> Iterator[tuple[str, str]]:
    client = imap.connect(account)
    try:
        secure = "without encryption" if account.security is Security.NONE else "encrypted"
        yield "Connection", f"{account.host}:{account.port} answers, {secure}."
        fetching.sign_in(client, account)
        yield "Sign-in", f"Signed in as {account.user}."
        opened = client.select_folder(account.folder, readonly=True)
        idle = "The server tells of new mail at once."
        if not client.has_capability("IDLE"):
            idle = "The server cannot tell of new mail: we look every minute."
        yield "Folder", f"{account.folder} has {opened[b'EXISTS']} messages. {idle}"
        if account.after is AfterStoring.MOVE:
            there = client.folder_exists(account.after_folder)
            told = "is there" if there else "will be made with the first mail"
            yield "Folder for stored mail", f"{account.after_folder} {told}."
        client.logout()
    finally:
        client.hang_up()


def try_sending(url: str, own_name: str) -> list[Step]:
    """Connect to a mail server and sign in, if *url* says as whom; nothing is sent.

    The caller is in no transaction, as with `try_connection`.
    """
    server = Server(url, own_name)
    try:
        server.check()
    except ServerDown as error:
        return [Step("Connection and sign-in", False, str(error))]
    finally:
        server.close()
    return [Step("Connection and sign-in", True, f"{public_name(url)} takes mail from us.")]
