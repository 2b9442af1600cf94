"""Disks, files and backups: admins are told once when they fail, and once when that is over."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.automation import alarms, housekeeping, watches
from app.automation.watches import Watch
from app.core import cache
from app.core.blobs import StorageAway
from app.core.clock import utcnow
from app.core.db import db
from app.core.settings_store import change_setting
from app.mail.models import OutboundEmail, OutboundState
from app.tickets import attachments
from tests.factories import make_agent, make_person

pytestmark = pytest.mark.usefixtures("app")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture(autouse=True)
def admin() -> Person:
    return make_agent("ada@desk.example", role=Role.ADMIN)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How full the one disk is, in percent."""
    used = [50]
    monkeypatch.setattr(watches, "fullness", lambda folder: (used[0], f"{used[0]} % used"))
    return used


def minute(n: int) -> datetime:
    return NOW + timedelta(minutes=n)


def look(n: int) -> None:
    """A round of housekeeping, of which this is about, in minute *n*; mails leave at once."""
    housekeeping.look_at_machine(minute(n))
    alarms.tell(minute(n))
    db.session.execute(sa.update(OutboundEmail).values(state=OutboundState.SENT))
    db.session.commit()


def told() -> list[tuple[str, str]]:
    """Kind and title of each alarm that was mailed, in turn."""
    db.session.expire_all()
    rows = db.session.scalars(sa.select(OutboundEmail).order_by(OutboundEmail.id))
    return [(row.kind, alarm["title"]) for row in rows for alarm in row.context["alarms"]]


FULL = ("machine_alarm", "A disk is nearly full")
FULL_OVER = ("machine_works_again", "A disk is nearly full")


def test_a_disk_that_is_nearly_full_is_told_once_and_its_end_once(disk: list[int]) -> None:
    for n, used in enumerate((89, 90, 91, 90, 89, 90)):
        disk[0] = used
        look(n)
    assert told() == [FULL]  # 89 after 90 is no end, or it would be told in turn
    disk[0] = 87
    look(6)
    look(7)
    assert told() == [FULL, FULL_OVER]
    disk[0] = 95
    look(8)
    assert told() == [FULL, FULL_OVER, FULL]


def test_the_share_is_a_setting(disk: list[int]) -> None:
    change_setting("disk_full_percent", 50)
    db.session.commit()
    look(0)
    assert told() == [FULL]


def test_another_machine_neither_ends_an_alarm_nor_keeps_it_for_ever(
    disk: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches.socket, "gethostname", lambda: "one")
    disk[0] = 95
    look(0)
    monkeypatch.setattr(watches.socket, "gethostname", lambda: "two")
    disk[0] = 10
    look(30)
    assert told() == [FULL]
    look(61)  # the first one has not been heard of for an hour
    assert told() == [FULL, FULL_OVER]
    keys = db.session.scalars(sa.select(Watch.key).where(Watch.key.startswith("disk:"))).all()
    assert [key.split(":")[1] for key in keys] == ["two"]


def test_room_for_few_more_files_counts_as_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Files:
        f_files, f_favail = 1_000, 30
        f_blocks, f_bavail, f_frsize = 1_000, 500, 4_096

    monkeypatch.setattr(watches.os, "statvfs", lambda folder: Files)
    assert watches.fullness(tmp_path) == (97, "room for 30 more files, 97 % used")


def test_files_that_cannot_be_kept_are_told_after_two_minutes(
    disk: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [True]

    def sweep(*, now: datetime) -> int:
        if away[0]:
            raise StorageAway(errno.EIO, "files on s3.example: no route")
        return 0

    monkeypatch.setattr(attachments, "sweep", sweep)
    look(0)
    away[0] = False
    look(1)
    assert told() == []  # away for a moment
    away[0] = True
    look(2)
    look(4)
    look(5)
    assert told() == [("machine_alarm", "Files cannot be kept or opened")]
    mail = db.session.scalars(sa.select(OutboundEmail)).one()
    assert mail.context["alarms"][0]["text"] == "files on s3.example: no route"
    away[0] = False
    look(6)
    look(7)
    assert told()[1:] == [("machine_works_again", "Files cannot be kept or opened")]


def test_a_machine_that_reaches_the_files_does_not_hide_one_that_does_not(disk: list[int]) -> None:
    for n in range(4):
        watches.note("files:one:", "", now=minute(n))
        watches.note("files:two:", "no route", now=minute(n))
        watches.note("files:three:", "no route", now=minute(n))
        alarms.tell(minute(n))
    assert told() == [("machine_alarm", "Files cannot be kept or opened")]


def test_a_fault_of_our_own_is_no_bucket_that_is_away(
    disk: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep(*, now: datetime) -> int:
        raise FileNotFoundError("a bug")

    monkeypatch.setattr(attachments, "sweep", sweep)
    with pytest.raises(FileNotFoundError):
        housekeeping.look_at_machine(NOW)


def test_a_backup_that_fails_is_told_until_one_is_written(disk: list[int]) -> None:
    watches.note("backup:", "/backup: no space left", now=NOW)
    look(1)
    watches.note("backup:", "/backup: no space left", now=minute(2))
    look(2)
    assert told() == [("machine_alarm", "The backup fails")]
    watches.note("backup:", "", now=minute(3))
    look(3)
    assert told()[1:] == [("machine_works_again", "The backup fails")]
    assert watches.last_backup() == minute(3)


@pytest.mark.parametrize(("days", "is_told"), [(0, False), (2, True), (3, False)])
def test_a_backup_that_is_too_old_is_told_where_that_is_asked_for(
    disk: list[int], days: int, is_told: bool
) -> None:
    change_setting("days_between_backups", days)
    watches.note("backup:", "", now=NOW - timedelta(days=2, hours=1))
    look(0)
    assert told() == ([("machine_alarm", "There is no new backup")] if is_told else [])


def test_no_backup_at_all_is_told_where_that_is_asked_for(disk: list[int]) -> None:
    change_setting("days_between_backups", 7)
    look(0)
    look(1)
    assert told() == [("machine_alarm", "There is no new backup")]


def test_an_alarm_that_did_not_leave_before_its_end_is_never_sent(disk: list[int]) -> None:
    disk[0] = 95
    housekeeping.look_at_machine(NOW)
    assert alarms.tell(NOW) == 1
    disk[0] = 10
    housekeeping.look_at_machine(minute(1))
    assert alarms.tell(minute(1)) == 0
    mail = db.session.scalars(sa.select(OutboundEmail)).one()
    assert mail.state is OutboundState.CANCELLED


def test_while_all_is_well_nothing_is_written(disk: list[int], statements: list[str]) -> None:
    look(0)
    statements.clear()
    housekeeping.look_at_machine(minute(1))
    assert [line for line in statements if not line.lstrip().startswith("SELECT")] == [
        line for line in statements if line.startswith("DELETE FROM watch")
    ]
    housekeeping.look_at_machine(minute(11))  # so that nobody thinks the machine is gone
    assert any(line.startswith("UPDATE watch") for line in statements)


def test_readyz_tells_which_part_fails_and_no_names(app: Flask, disk: list[int]) -> None:
    ready = app.test_client().get("/readyz").get_json()
    assert ready["machine"] == {"disk": "ok", "files": "ok", "backup": "ok"}
    disk[0] = 95
    housekeeping.look_at_machine(utcnow())
    watches.note("backup:", "/secret/place: no space", now=utcnow())
    db.session.commit()
    cache.clear()
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert answer.get_json()["machine"] == {"disk": "nearly full", "files": "ok", "backup": "fails"}
    assert "secret" not in answer.text


def test_pages_tell_admins_alone(
    app: Flask, sign_in: SignIn, client: FlaskClient, admin: Person, disk: list[int]
) -> None:
    page = sign_in(client, admin).get("/admin/system").text
    assert "never by deskhand backup" in page
    assert "The backup fails" not in page
    watches.note("backup:", "", now=utcnow() - timedelta(hours=1))
    watches.note("backup:", "/backup: no room", now=utcnow())
    db.session.commit()
    cache.clear()
    page = client.get("/admin/system").text
    assert '<b>The backup fails.</b> <span dir="auto">/backup: no room</span>' in page
    assert "never by deskhand backup" not in page
    watches.note("disk:far:/srv", "/srv on far: 99 % used", now=utcnow())
    db.session.commit()
    page = client.get("/admin/system").text
    disk = re.findall(r"<dt>(Disk|Another disk)</dt><dd>(<svg)?.*?<bdi>(.*?)</bdi>", page)
    assert disk == [("Disk", "", "50 % used"), ("Another disk", "<svg", "/srv on far: 99 % used")]
    agent = sign_in(app.test_client(), make_person(role=Role.AGENT))
    assert "The backup fails" not in agent.get("/desk/").text
