"""One-time links: sign in, reset a password, accept an invitation, become the first admin.

The link holds a random key and the row its SHA-256. Opening a link changes nothing, since mail
scanners open every link; the button on its page uses it.
"""

from __future__ import annotations

import secrets
from datetime import datetime

import sqlalchemy as sa
from flask import current_app

from app.accounts import people
from app.accounts.models import (
    IS_THEIRS,
    LINK_LIFETIME,
    LinkPurpose,
    OneTimeLink,
    Person,
    PersonEmail,
    Role,
)
from app.accounts.sign_in import key_hash
from app.core.db import db
from app.core.errors import NotFound
from app.core.jobs import Job, ring
from app.mail import outbox
from app.settings import Settings

PATHS = {
    LinkPurpose.SIGN_IN: "/login/confirmation",
    LinkPurpose.PASSWORD_RESET: "/password-reset/confirmation",
    LinkPurpose.INVITATION: "/invitation",
    LinkPurpose.FIRST_ADMIN: "/first-admin",
}
MAIL_KINDS = {
    LinkPurpose.SIGN_IN: "sign_in_link",
    LinkPurpose.PASSWORD_RESET: "password_reset",
}


class DeadLink(NotFound):
    """Unknown, used or expired: nobody learns which."""

    def __init__(self) -> None:
        super().__init__("This link was used already, or it is too old. Ask for a new one.")


def make(
    purpose: LinkPurpose, *, person_id: int | None = None, address: str = "", now: datetime
) -> str:
    """Make a link; its path with the key, to be put behind ``BASE_URL``."""
    key = secrets.token_urlsafe(32)
    lifetime = LINK_LIFETIME[purpose]
    db.session.add(
        OneTimeLink(
            purpose=purpose,
            key_hash=key_hash(key),
            person_id=person_id,
            address=address,
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    # In the query, not in the path: paths are logged.
    return f"{PATHS[purpose]}?key={key}"


def url(path: str) -> str:
    """*path* on this site as the world sees it: from ``BASE_URL``, never from a Host header."""
    settings: Settings = current_app.extensions["settings"]
    return settings.base_url + path


def find(key: str, purpose: LinkPurpose, *, now: datetime) -> OneTimeLink:
    """The link of a key, if it may still be used.

    Raises:
        DeadLink: it may not.
    """
    link = db.session.scalar(
        sa.select(OneTimeLink).where(
            OneTimeLink.key_hash == key_hash(key),
            OneTimeLink.purpose == purpose,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > now,
        )
    )
    if link is None or (link.person_id is not None and not _is_theirs(link)):
        raise DeadLink
    return link


def use(link: OneTimeLink, *, now: datetime) -> None:
    """Use *link* up, and with it every other of its purpose for the same person.

    Raises:
        DeadLink: somebody was quicker.
    """
    same = sa.update(OneTimeLink).where(OneTimeLink.used_at.is_(None)).values(used_at=now)
    won = db.session.scalar(same.where(OneTimeLink.id == link.id).returning(OneTimeLink.id))
    if won is None:
        raise DeadLink
    kin = OneTimeLink.person_id.is_not_distinct_from(link.person_id)
    db.session.execute(same.where(kin, OneTimeLink.purpose == link.purpose))
    if link.address:
        people.prove(link.address, person_id=link.person_id, now=now)


def end_all(person_id: int, *, now: datetime) -> None:
    """Let no link work that was made for somebody: whoever changes a password may do so because
    another one reads their mail."""
    theirs = sa.update(OneTimeLink).where(OneTimeLink.person_id == person_id)
    db.session.execute(theirs.where(OneTimeLink.used_at.is_(None)).values(used_at=now))


def mail(purpose: LinkPurpose, address: str, *, now: datetime) -> None:
    """Send a link to *address* if somebody active has it; else nothing, and nobody is told.

    Only an address that is shown to be theirs gets one, and the main one of somebody who has no
    such: what came along with a ticket, or was entered by the team since, shows nothing about
    whose it is, and would let its reader in. Of who works here, admins alone enter addresses.
    """
    other = sa.orm.aliased(PersonEmail)
    has_theirs = sa.exists().where(
        other.person_id == Person.id, sa.or_(other.proven_at.is_not(None), other.is_own)
    )
    row = db.session.execute(
        sa.select(Person.id, Person.name)
        .join(PersonEmail)
        .where(
            PersonEmail.address == address,
            Person.is_active,
            sa.or_(
                IS_THEIRS,
                sa.and_(
                    PersonEmail.is_main,
                    sa.or_(sa.not_(has_theirs), Person.role != Role.CUSTOMER),
                ),
            ),
        )
    ).one_or_none()
    if row is None:
        pretend(now=now)
        return
    path = make(purpose, person_id=row.id, address=address, now=now)
    minutes = int(LINK_LIFETIME[purpose].total_seconds()) // 60
    context = {"path": path, "name": row.name, "minutes": minutes}
    outbox.queue(
        [outbox.row(MAIL_KINDS[purpose], address, name=row.name, context=context, now=now)]
    )


def pretend(*, now: datetime) -> None:
    """Take as long as a link that is mailed: whether somebody has an address is not for all.

    The commit's wait for the disk is what takes time, so there must be something to write.
    """
    db.session.add(
        OneTimeLink(
            purpose=LinkPurpose.SIGN_IN,
            key_hash=key_hash(secrets.token_urlsafe(32)),
            created_at=now,
            expires_at=now,
        )
    )
    ring(Job.SEND_OUTBOX)


def _is_theirs(link: OneTimeLink) -> bool:
    """Whether its person is active, and has the address to which it went still."""
    found = sa.select(Person.is_active).where(Person.id == link.person_id)
    if link.address:
        found = found.join(PersonEmail).where(PersonEmail.address == link.address)
    return bool(db.session.scalar(found))
