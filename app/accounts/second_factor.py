"""A second factor at sign-in: codes of an app on one's phone (TOTP, RFC 6238), and codes to keep.

The secret is sealed in the database; recovery codes are random, so a plain hash is enough. A code
works once: the time step of the last one is kept, so that whoever looked on cannot use it again.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime

import pyotp
import segno
import sqlalchemy as sa

from app.accounts.models import Person, RecoveryCode
from app.accounts.sign_in import key_hash
from app.core import audit
from app.core.audit import Actor
from app.core.db import db
from app.core.errors import Invalid
from app.core.sealing import seal, unseal
from app.core.settings_store import setting

STEP_SECONDS = 30
TOLERANCE = 1  # steps that a phone's clock may be off, either way
CODES = 10
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is read as something else
WRONG = "This code is wrong or was used already. Look at your app and try the next one."


def new_secret() -> str:
    """A secret that nobody has yet."""
    return pyotp.random_base32()


def qr_code(person: Person, secret: str) -> str:
    """What an app scans, as the address of an image (``data:``, SVG)."""
    name = person.email or person.name
    totp = pyotp.TOTP(secret)
    address = totp.provisioning_uri(name=name, issuer_name=str(setting("site_name")))
    # White around and between: a dark page would turn it into something that nobody scans.
    return segno.make(address, error="m").svg_data_uri(scale=5, border=3, light="#fff")


def turn_on(person: Person, secret: str, code: str, *, by: Actor, now: datetime) -> list[str]:
    """Ask for a code at each sign-in from now on; recovery codes, shown this once.

    Raises:
        Invalid: *code* is not of *secret*: the app did not take it, or its clock is wrong.
    """
    step = _step_of(secret, code, now)
    if step is None:
        raise Invalid("This code is wrong. Is the clock of your phone right?", {"code": WRONG})
    person.totp_secret = seal(secret)
    person.totp_step = step
    audit.write("turned on", "second factor", person.id, person.display_name, by=by, now=now)
    return new_codes(person)


def turn_off(person: Person, *, by: Actor, now: datetime) -> None:
    """Ask for no code any more."""
    person.totp_secret = None
    person.totp_step = None
    db.session.execute(sa.delete(RecoveryCode).where(RecoveryCode.person_id == person.id))
    audit.write("turned off", "second factor", person.id, person.display_name, by=by, now=now)


def new_codes(person: Person) -> list[str]:
    """Recovery codes in place of those until now, shown this once."""
    db.session.execute(sa.delete(RecoveryCode).where(RecoveryCode.person_id == person.id))
    codes = [_random() for _ in range(CODES)]
    db.session.add_all(
        RecoveryCode(person_id=person.id, code_hash=key_hash(_plain(code))) for code in codes
    )
    return codes


def codes_left(person: Person) -> int:
    """How many recovery codes were not used yet."""
    found = sa.select(sa.func.count()).where(
        RecoveryCode.person_id == person.id, RecoveryCode.used_at.is_(None)
    )
    return db.session.scalars(found).one()


def check(person: Person, code: str, *, now: datetime) -> None:
    """Use up a code of the app, or a recovery code; in a transaction that writes.

    Raises:
        Invalid: it is none, or was used.
    """
    locked = sa.select(Person).where(Person.id == person.id).with_for_update()
    db.session.execute(locked, execution_options={"populate_existing": True})
    if person.totp_secret is None:
        return
    step = _step_of(unseal(person.totp_secret), code, now)
    if step is not None and step > (person.totp_step or 0):
        person.totp_step = step
        return
    unused = sa.update(RecoveryCode).where(
        RecoveryCode.person_id == person.id,
        RecoveryCode.code_hash == key_hash(_plain(code)),
        RecoveryCode.used_at.is_(None),
    )
    if db.session.scalar(unused.values(used_at=now).returning(RecoveryCode.id)) is None:
        raise Invalid(WRONG, {"code": WRONG})


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, None for any other."""
    plain = _plain(code)
    if not (plain.isascii() and plain.isdigit() and len(plain) == 6):
        return None
    step = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for near in range(step - TOLERANCE, step + TOLERANCE + 1):
        if hmac.compare_digest(totp.at(near * STEP_SECONDS), plain):
            return near
    return None


def _plain(code: str) -> str:
    return "".join(code.lower().replace("-", "").split())[:40]


def _random() -> str:
    """ "abcde-fghjk-mnpqr": 74 bits."""
    parts = ("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(3))
    return "-".join(parts)
