"""Fetching one mailbox by IMAP: every message once, by UIDVALIDITY and UID.

Flags and dates are not looked at: another mail client, or a week without us, loses nothing. A
message is stored and committed first, then flagged or moved; what a death leaves in between is done
in the next round. Two who fetch at once do the work twice and store it once: the receipt is unique.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.jobs import is_stopping
from app.core.outages import outage
from app.mail import fetch_state, imap, mailboxes, oauth, receiving
from app.mail.credentials import ImapAccount, imap_accounts
from app.mail.fetch_state import Place
from app.mail.imap import Client
from app.mail.models import AfterStoring, Channel, ImapAuth
from app.mail.receiving import MAX_SIZE, Origin

log = structlog.get_logger(__name__)

GROUP_BYTES = 1_000_000  # messages that are fetched with one command and stored in one transaction
GROUP_MESSAGES = 50
BEGINNING = 1_000_000  # bytes that are kept of a message that is too large
SIZES_AT_ONCE = 500
# Looking through the whole folder finds what no rising UID tells; a large one now and then.
SMALL_FOLDER = 1_000
LOOK_THROUGH_EVERY = timedelta(minutes=10)

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Round:
    """What one look into the folder brought."""

    stored: int = 0
    copies: int = 0  # mails that we had already
    failed: int = 0  # messages that could not be read, tried again later
    problem: str = ""  # what hinders flagging or moving


@dataclass(slots=True)
class Folder:
    """The open folder of one round."""

    client: Client
    account: ImapAccount
    place: Place
    clock: Clock
    done: Round = field(default_factory=Round)
    filed: int = 0

    def origin(self, uid: int, *, is_filed: bool) -> Origin:
        """Where a message of it came from."""
        validity = self.place.uid_validity
        return Origin(Channel.IMAP, self.account.source, validity, uid, is_filed)


def poll(account: ImapAccount, *, clock: Clock = utcnow) -> Round:
    """Connect, look once, and note how it went.

    Raises:
        imap.TROUBLE: the server is away or refuses; noted already.
    """
    try:
        with session(account, clock=clock) as client:
            return take_round(client, account, clock=clock)
    except imap.TROUBLE as error:
        db.session.rollback()
        fetch_state.note_trouble(account.mailbox_id, imap.words(error), now=clock())
        raise


def poll_overdue(*, clock: Clock = utcnow) -> None:
    """Look into the mailboxes that nobody watches: the watching process is away or hangs."""
    accounts = imap_accounts()
    late = fetch_state.overdue([account.mailbox_id for account in accounts], now=clock())
    for account in accounts:
        if account.mailbox_id in late and not is_stopping():
            with suppress(*imap.TROUBLE):  # noted on the mailbox
                poll(account, clock=clock)


@contextmanager
def session(account: ImapAccount, *, clock: Clock = utcnow) -> Iterator[Client]:
    """Connected and signed in, until the end of the block."""
    client = imap.connect(account)
    try:
        sign_in(client, account, clock=clock)
        yield client
        client.logout()
    finally:
        client.hang_up()


def sign_in(client: Client, account: ImapAccount, *, clock: Clock = utcnow) -> None:
    """Sign in; with OAuth2 by the token that we have, or a new one where it is over.

    Raises:
        imap.LoginError, app.mail.oauth.NoToken: refused.
    """
    if account.auth is not ImapAuth.OAUTH2:
        imap.sign_in(client, account)
        return
    secret = account.oauth2
    token = oauth.kept_token(fetch_state.kept_token(account.mailbox_id), secret)
    if token is not None and oauth.is_fresh(token, now=clock()):
        try:
            imap.sign_in(client, account, access_token=token.access)
        except imap.LoginError:
            pass  # taken back before its time
        else:
            return
    token = oauth.refresh(secret, token, now=clock())
    if account.mailbox_id:  # one that is only tried has none
        fetch_state.keep_token(account.mailbox_id, token.sealed(), now=clock())
    imap.sign_in(client, account, access_token=token.access)


def take_round(
    client: Client, account: ImapAccount, *, clock: Clock = utcnow, careful: bool = False
) -> Round:
    """Take every message that has no receipt yet; the session must be in no transaction.

    Args:
        careful: one message at a time, so that the one which breaks the connection is known.
    """
    opened = client.select_folder(account.folder, readonly=account.after is AfterStoring.KEEP)
    place = _place(client, account, opened, now=clock())
    folder = Folder(client, account, place, clock)
    count = int(opened.get(b"EXISTS", 0))
    _file_away(folder, fetch_state.unfiled(place))
    is_due = place.counted_at is None or place.counted_at <= clock() - LOOK_THROUGH_EVERY
    whole = None
    if count <= SMALL_FOLDER or is_due:
        whole = imap.uids(client, ["UID", f"{place.start_uid}:*"])
        seen = whole = [uid for uid in whole if uid >= place.start_uid]  # n:* has the last always
    else:
        newer = imap.uids(client, ["UID", f"{place.last_uid + 1}:*"])
        seen = [uid for uid in newer if uid > place.last_uid]
        seen += fetch_state.to_retry(place, now=clock())
    due = fetch_state.without_receipt(place, seen, now=clock())
    for group in _groups(client, due, careful=careful):
        _take_or_note(folder, group)
    fetch_state.note_success(
        place,
        error=folder.done.problem,
        server_count=max(0, count - (folder.filed if account.after is AfterStoring.MOVE else 0)),
        whole=whole,
        last_uid=max(due, default=place.last_uid),
        now=clock(),
    )
    if due:
        done = folder.done
        log.info(
            "mailbox fetched",
            mailbox=account.address,
            stored=done.stored,
            copies=done.copies,
            failed=done.failed,
        )
    return folder.done


def _place(
    client: Client, account: ImapAccount, opened: dict[bytes, object], *, now: datetime
) -> Place:
    """Where we are in this folder; another UIDVALIDITY or another source starts from new."""
    validity = int(str(opened.get(b"UIDVALIDITY", 0)))
    place = fetch_state.place(account.mailbox_id, account.source, validity)
    if place is not None:
        return place
    started_at = fetch_state.started_at(account.mailbox_id, account.source)
    if account.takes_old:
        start = 1
    elif started_at is None:
        start = (
            int(str(opened.get(b"UIDNEXT", 0))) or max(imap.uids(client, ["ALL"]), default=0) + 1
        )
    else:
        # The UIDs have changed, so the day tells what was there before; one day more for zones.
        day = (started_at - timedelta(days=1)).strftime("%d-%b-%Y")
        start = min(imap.uids(client, ["SINCE", day]), default=int(str(opened[b"UIDNEXT"])))
    fetch_state.start(account.mailbox_id, account.source, validity, start_uid=start, now=now)
    found = fetch_state.place(account.mailbox_id, account.source, validity)
    assert found is not None  # noqa: S101  (written a line above)
    return found


def _groups(client: Client, due: Sequence[int], *, careful: bool) -> Iterator[dict[int, int]]:
    """UIDs with their sizes, as many at a time as may be in memory together."""
    most = 1 if careful else GROUP_MESSAGES
    for first in range(0, len(due), SIZES_AT_ONCE):
        told = client.fetch(due[first : first + SIZES_AT_ONCE], ["RFC822.SIZE"])
        group: dict[int, int] = {}
        for uid in sorted(told):  # those that are gone meanwhile are not among them
            size = int(told[uid].get(b"RFC822.SIZE", 0)) or GROUP_BYTES  # unknown: it goes alone
            if group and (len(group) >= most or sum(group.values()) + size > GROUP_BYTES):
                yield group
                group = {}
            group[uid] = size
        if group:
            yield group


def _take_or_note(folder: Folder, group: dict[int, int]) -> None:
    """Take messages; if that fails one by one, and the one at fault is tried again later.

    Raises:
        imap.LOST: the connection. Outages of our database: no message's fault.
    """
    try:
        _take(folder, group)
    except Exception as error:
        db.session.rollback()
        is_lost = isinstance(error, imap.LOST)
        if (is_lost and len(group) > 1) or (outage(error) and not is_lost):
            raise
        if len(group) > 1:
            for uid, size in group.items():
                _take_or_note(folder, {uid: size})
            return
        uid = next(iter(group))
        log.warning("message cannot be fetched", uid=uid, error=str(error))
        told = imap.words(error)
        fetch_state.note_failure(folder.place, uid, told, now=folder.clock())
        folder.done.failed += 1
        if is_lost:
            raise


def _take(folder: Folder, group: dict[int, int]) -> None:
    """Fetch, store, commit, then flag or move."""
    box = {card.id: card for card in mailboxes.mailboxes().values()}[folder.account.mailbox_id]
    db.session.rollback()  # no lock and no snapshot while we wait for the server
    is_large = any(size > MAX_SIZE for size in group.values())
    raws = _download(folder.client, list(group), part=f"<0.{BEGINNING}>" if is_large else "")
    is_kept = is_large or folder.account.after is AfterStoring.KEEP
    begin_write()
    cache.forget_stamp()
    new = 0
    for uid, raw in raws.items():
        quarantine = ""
        if is_large:
            quarantine = (
                f"The mail has {group[uid]:,} bytes, at most {MAX_SIZE:,} are read. This is its "
                f"beginning; the whole is in {folder.account.folder} on the mail server."
            )
        stored = receiving.store(
            raw,
            box,
            origin=folder.origin(uid, is_filed=is_kept),
            quarantine=quarantine,
            now=folder.clock(),
        )
        new += stored.is_new
    fetch_state.note_progress(folder.place, now=folder.clock())
    db.session.commit()
    folder.done.stored += new
    folder.done.copies += len(raws) - new
    if not is_kept:
        _file_away(folder, list(raws))


def _download(client: Client, uids: Sequence[int], *, part: str = "") -> dict[int, bytes]:
    """Raw messages; PEEK leaves them unread. Those that are gone meanwhile are left out."""
    told = client.fetch(uids, [f"BODY.PEEK[]{part}"])
    key = b"BODY[]<0>" if part else b"BODY[]"
    raws = {}
    for uid in uids:
        raw = told.get(uid, {}).get(key)
        if raw is not None:
            raws[uid] = raw
        elif imap.uids(client, ["UID", str(uid)]):
            raise ValueError("The server does not give the message.")
    return raws


def _file_away(folder: Folder, uids: Sequence[int]) -> None:
    """Flag or move; a refusal is told on the mailbox, and hinders no other message."""
    if not uids:
        return
    try:
        imap.file_away(folder.client, folder.account, uids)
    except imap.LOST:
        raise
    except imap.TROUBLE as error:
        folder.done.problem = f"Stored messages cannot be filed: {imap.words(error)}"
        return
    folder.filed += len(uids)
    fetch_state.mark_filed(folder.place, uids)
