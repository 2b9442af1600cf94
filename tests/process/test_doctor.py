"""``deskhand doctor`` names what is wrong and how to mend it, whatever is broken."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from redis import Redis

from app.automation import watches
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.sealing import seal
from app.core.storage import Folder, storage
from app.integrations.models import Webhook
from app.mail.models import Incoming, MailboxPoll
from app.process import doctor, doctor_desk, findings
from app.process.findings import Finding, Level
from app.settings import Settings, load
from app.tickets.history_models import TicketEvent
from app.tickets.models import Attachment
from tests.factories import make_mailbox, make_ticket
from tests.faults.conftest import own_app
from tests.mail.smtp import smtp_server
from tests.process.test_run import DESKHAND, environment
from tests.process.test_supervisor import ROOT

NOBODY = "127.0.0.1:1"  # tcpmux: nothing has listened there for decades

pytestmark = pytest.mark.real_commits


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Flask]:
    with own_app(tmp_path) as app:
        with Redis.from_url(settings_of(app).queue_url) as redis:
            redis.flushdb()  # where other tests' workers have been
        yield app


def settings_of(app: Flask) -> Settings:
    found: Settings = app.extensions["settings"]
    return found


def wrongs(found: Iterable[Finding]) -> list[str]:
    return [one.told for one in found if one.level is Level.WRONG]


def ask(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DESKHAND, "doctor"],
        env=environment(folder, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_everything_that_is_away_is_named_with_what_to_do(tmp_path: Path) -> None:
    asked = ask(
        tmp_path,
        DESKHAND_DATABASE_URL=f"postgresql://u:hidden@{NOBODY}/x",
        DESKHAND_REDIS_URL=f"redis://:hidden@{NOBODY}",
        DESKHAND_SMTP_URL=f"smtp://u:hidden@{NOBODY}",
        DESKHAND_LMTP_LISTEN=f"lmtp://{NOBODY}",
        DESKHAND_STORAGE_URL=f"s3+http://key:hidden@{NOBODY}/files",
        DESKHAND_BASE_URL=f"http://{NOBODY}",
    )
    assert asked.returncode == 1
    assert asked.stderr == ""
    lines = asked.stdout.splitlines()
    for about in ("Database", "Redis", "Files", "Address", "Mail server", "Mail listener"):
        [at] = [n for n, line in enumerate(lines) if line.startswith(f"wrong  {about}: ")]
        assert lines[at + 1].startswith("       -> ")
    assert "hidden" not in asked.stdout
    assert lines[-1].startswith("6 wrong.")


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    asked = ask(tmp_path, DESKHAND_RATE_LIMITS="perhaps")
    assert (asked.returncode, asked.stderr) == (1, "")
    assert asked.stdout.startswith("wrong  Settings: DESKHAND_RATE_LIMITS: must be on or off\n")


def test_whatever_breaks_a_look_is_a_finding(tmp_path: Path) -> None:
    def broken(_: Settings) -> Iterator[Finding]:
        yield findings.fine("First", "went well")
        raise RuntimeError("no idea\nat all")

    found = list(findings.careful("Second", broken, load({"DESKHAND_DATA_DIR": str(tmp_path)})))
    assert [one.about for one in found] == ["First", "Second"]
    assert wrongs(found) == ["cannot be looked at: no idea"]


def test_folders_and_keys_that_others_can_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    settings = load({"DESKHAND_DATA_DIR": str(tmp_path)})
    key = tmp_path / "secret_key"
    key.chmod(0o600)
    assert wrongs(doctor.secret_key(settings)) == []
    assert wrongs(doctor.data_folder(settings)) == []
    key.chmod(0o640)
    tmp_path.chmod(0o755)
    assert wrongs(doctor.secret_key(settings)) == [f"others can read {key}"]
    assert wrongs(doctor.data_folder(settings)) == [f"others can look into {tmp_path}"]


@pytest.mark.parametrize(
    ("url", "proxies", "told"),
    [
        ("http://127.0.0.1:1", "0", "right on this machine alone"),
        ("http://help.invalid", "0", "not encrypted"),
        ("https://help.invalid", "0", "a proxy that is not trusted"),
        ("https://help.invalid", "1", ""),
    ],
)
def test_addresses(tmp_path: Path, url: str, proxies: str, told: str) -> None:
    environ = {"DESKHAND_BASE_URL": url, "DESKHAND_TRUSTED_PROXIES": proxies}
    *found, last = doctor.address(load({"DESKHAND_DATA_DIR": str(tmp_path), **environ}))
    assert [told in one.told for one in found] == ([True] if told else [])
    assert "does not answer" in last.told


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    settings = load({"DESKHAND_DATA_DIR": str(tmp_path)})
    found = list(doctor_desk.look_at_desk(settings))
    assert f"there is none at {tmp_path / 'deskhand.db'}" in wrongs(found)
    assert not (tmp_path / "deskhand.db").exists()


def test_a_database_that_is_damaged_or_old(tmp_path: Path) -> None:
    with own_app(tmp_path) as app:
        assert wrongs(doctor_desk.database(settings_of(app))) == []
        begin_write()
        db.session.execute(sa.text("DELETE FROM alembic_version"))
        db.session.commit()
        assert wrongs(doctor_desk.database(settings_of(app))) == ["migrations are missing"]
        db.session.rollback()
        db.session.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    path = tmp_path / "deskhand.db"
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    with_damage = load({"DESKHAND_DATA_DIR": str(tmp_path)})
    found = list(doctor_desk.look_at_desk(with_damage))
    assert any("damaged" in told or "malformed" in told for told in wrongs(found))


def test_files_that_are_not_there(desk: Flask) -> None:
    assert list(doctor_desk.newest_files(settings_of(desk))) == []
    begin_write()
    ticket, now = make_ticket(), utcnow()
    for text in (b"one", b"two"):
        stored = storage().put(BytesIO(text))
        db.session.add(
            Attachment(
                ticket_id=ticket.id,
                sha256=stored.sha256,
                filename="a.txt",
                content_type="text/plain",
                size=stored.size,
                created_at=now,
            )
        )
    db.session.commit()
    assert wrongs(doctor_desk.newest_files(settings_of(desk))) == []
    folder = storage()
    assert isinstance(folder, Folder)
    folder.path(stored.sha256).unlink()
    told = "1 of the newest 2 attachments are missing"
    assert wrongs(doctor_desk.newest_files(settings_of(desk))) == [told]


def test_a_clock_that_was_set_back(desk: Flask) -> None:
    assert wrongs(doctor_desk.clock(settings_of(desk))) == []
    begin_write()
    ticket = make_ticket()
    late = utcnow() + timedelta(hours=3)
    db.session.add(TicketEvent(ticket_id=ticket.id, kind="created", version=1, created_at=late))
    db.session.commit()
    assert "the newest event is of" in wrongs(doctor_desk.clock(settings_of(desk)))[0]


def test_mailboxes_and_their_servers(desk: Flask) -> None:
    begin_write()
    with smtp_server() as inbox:
        make_mailbox("good@desk.example", smtp_url=seal(inbox.url))
        make_mailbox("dead@desk.example", smtp_url=seal(f"smtp://{NOBODY}"))
        make_mailbox("lost@desk.example", smtp_url="no secret of ours")
        make_mailbox("gone@desk.example", smtp_url=seal(f"smtp://{NOBODY}"), is_active=False)
        box = make_mailbox(
            "imap@desk.example", incoming=Incoming.IMAP, imap_host="127.0.0.1", imap_port=1
        )
        long_ago = utcnow() - timedelta(hours=1)
        db.session.add(
            MailboxPoll(
                mailbox_id=box.id,
                started_at=long_ago,
                next_poll_at=long_ago,
                failures=3,
                error="refused",
            )
        )
        db.session.commit()
        found = list(doctor_desk.mailboxes(settings_of(desk)))
    levels = {one.about: one.level for one in found}
    assert levels == {
        "Mailbox good@desk.example": Level.FINE,
        "Mailbox dead@desk.example": Level.WRONG,
        "Mailbox lost@desk.example": Level.WRONG,
        "Mailbox imap@desk.example": Level.WRONG,
    }
    assert "its secret cannot be read" in wrongs(found)
    [told] = wrongs(doctor_desk.mail(settings_of(desk)))
    assert told == "Mail of imap@desk.example is not fetched: refused"


def test_a_webhook_that_was_stopped(desk: Flask) -> None:
    begin_write()
    more = {"url": "https://a.example", "events": [], "secret": seal("x"), "created_at": utcnow()}
    db.session.add(Webhook(name="Good", **more))
    db.session.add(Webhook(name="Bad", is_active=False, stopped_because="410 Gone", **more))
    db.session.commit()
    [found] = doctor_desk.webhooks(settings_of(desk))
    assert (found.level, found.told) == (Level.NOTE, "Bad was stopped: 410 Gone")


def test_backups_and_what_workers_noted(desk: Flask) -> None:
    settings = settings_of(desk)
    [found] = doctor_desk.backups(settings)
    assert (found.level, found.told) == (Level.NOTE, "deskhand backup has never written one")
    begin_write()
    watches.note("backup:", "", now=utcnow())
    db.session.commit()
    assert [one.level for one in doctor_desk.backups(settings)] == [Level.FINE]
    begin_write()
    watches.note("backup:", "/backup: no room", now=utcnow())
    watches.note("disk:far:/srv", "/srv on far: 99 % used", now=utcnow())
    db.session.commit()
    assert wrongs(doctor_desk.backups(settings)) == ["The backup fails: /backup: no room"]
    [found] = doctor_desk.machines(settings)
    told = "A disk is nearly full: /srv on far: 99 % used"
    assert (found.level, found.told) == (Level.NOTE, told)
    begin_write()
    watches.note("files:", "no route", now=utcnow() - timedelta(minutes=5))
    db.session.commit()
    told = "Files cannot be kept or opened: no route"
    assert wrongs(doctor_desk.machines(settings)) == [told]


def test_a_redis_without_workers(desk: Flask) -> None:
    found = wrongs(doctor_desk.redis(settings_of(desk)))
    assert found[0] == "none lives"
    assert found[1].startswith("did not run for 5 minutes: Send mail, ")
