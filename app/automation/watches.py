"""What the machine does for the desk: room on its disks, files that can be kept, backups.

Whoever uses such a part notes how it went. Pages and other machines read the note: none of them
asks a bucket, or sees another machine's disk.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import Mapped, mapped_column

from app.core.cache import for_seconds
from app.core.db import Base, db, insert_into
from app.core.settings_store import setting
from app.mail.alarms import KEPT_SECONDS, Alarm
from app.settings import Settings

DISK, FILES, BACKUP = PARTS = ("disk", "files", "backup")
TITLES = {
    DISK: "A disk is nearly full",
    FILES: "Files cannot be kept or opened",
    BACKUP: "The backup fails",
}
IN_A_WORD = {DISK: "nearly full", FILES: "stand still", BACKUP: "fails"}
PATH = "/admin/system"
BACKUP_KEY = f"{BACKUP}:"
FILES_AFTER = timedelta(minutes=2)  # a bucket that is away for a moment is no news
STALE_AFTER = timedelta(hours=1)  # of what is looked at each minute: the machine is gone
NOTED_EVERY = timedelta(minutes=10)  # while all is well
SLACK_PERCENT = 2  # a disk at the limit would be nearly full and mended in turn


class Watch(Base):
    """How a part was when it was last looked at.

    The key is ``backup:``, ``files:<machine>:`` or ``disk:<machine>:<path>``. While it works
    ``failing_since`` is None and ``error`` empty.
    """

    __tablename__ = "watch"
    __table_args__ = ({"info": {"of_machine": True}},)  # no backup holds it
    key: Mapped[str] = mapped_column(sa.String(320), primary_key=True)
    failing_since: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(sa.Text, default="")
    looked_at: Mapped[datetime]
    succeeded_at: Mapped[datetime | None]


def note(key: str, error: str, *, now: datetime) -> None:
    """Note that a part works (*error* is empty), or does not. Writes only what is news."""
    row = db.session.get(Watch, key)
    if row is not None and not (error or row.error) and now - row.looked_at < NOTED_EVERY:
        return
    row = _row(key, now)
    row.looked_at, row.error = now, error[:1_000]
    if error:
        row.failing_since = row.failing_since or now
    else:
        row.failing_since, row.succeeded_at = None, now


def look_at_disks(now: datetime) -> None:
    """Note how full this machine's disks are, and forget machines that are gone."""
    settings: Settings = current_app.extensions["settings"]
    gone = Watch.key != BACKUP_KEY, Watch.looked_at < now - STALE_AFTER
    db.session.execute(sa.delete(Watch).where(*gone))
    for folder in _folders(settings):
        key = key_here(DISK, folder)
        row = db.session.get(Watch, key)
        limit = setting("disk_full_percent")
        if row is not None and row.error:
            limit -= SLACK_PERCENT
        used, told = fullness(folder)
        error = f"{folder} on {socket.gethostname()}: {told}" if used >= limit else ""
        note(key, error, now=now)


def key_here(part: str, folder: Path | str = "") -> str:
    """The key of a part as this machine has it: each machine has disks, and a way to the files."""
    return f"{part}:{socket.gethostname()}:{folder}"[:320]


def fullness(folder: Path) -> tuple[int, str]:
    """How full the disk of *folder* is, in percent and in words: of bytes, or of files if fewer.

    What is kept for root alone counts as used. Some file systems have no limit of files (statvfs(3)
    then tells 0).
    """
    disk = os.statvfs(folder)
    used = round(100 * (1 - disk.f_bavail / disk.f_blocks)) if disk.f_blocks else 0
    names = round(100 * (1 - disk.f_favail / disk.f_files)) if disk.f_files else 0
    if names > used:
        return names, f"room for {disk.f_favail:,} more files, {names} % used"
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return used, f"{free / 1e9:,.1f} GB free of {total / 1e9:,.0f} GB, {used} % used"


def alarms(now: datetime) -> list[Alarm]:
    """What is wrong at this moment; one statement."""
    rows = db.session.scalars(sa.select(Watch).order_by(Watch.key)).all()
    found: dict[str, Alarm] = {}
    for row in rows:
        alarm = _alarm(row, now)
        if alarm is not None:  # one bucket that is away is one, from however many machines
            found.setdefault(alarm.key, alarm)
    days = setting("days_between_backups")
    if days and BACKUP_KEY not in found:
        last = next((row.succeeded_at for row in rows if row.key == BACKUP_KEY), None)
        found |= {alarm.key: alarm for alarm in _late_backup(last, days, now)}
    return list(found.values())


def recent(now: datetime) -> list[Alarm]:
    """The same, asked anew every twenty seconds at most: for what many pages show."""
    return for_seconds("watches", KEPT_SECONDS, lambda: alarms(now))


def readiness(now: datetime) -> dict[str, str]:
    """For /readyz, which anybody may read: no names of machines and folders."""
    wrong = {alarm.part for alarm in recent(now)}
    return {part: IN_A_WORD[part] if part in wrong else "ok" for part in PARTS}


def last_backup() -> datetime | None:
    """When ``deskhand backup`` last wrote a whole file; None where it never has."""
    whole = sa.select(Watch.succeeded_at).where(Watch.key == BACKUP_KEY)
    found: datetime | None = db.session.scalar(whole)
    return found


def _alarm(row: Watch, now: datetime) -> Alarm | None:
    part = row.key.partition(":")[0]
    if row.failing_since is None or part not in TITLES:
        return None
    if part != BACKUP and now - row.looked_at > STALE_AFTER:
        return None
    if part == FILES and now - row.failing_since < FILES_AFTER:
        return None
    key = f"{FILES}:" if part == FILES else row.key
    return Alarm(key, TITLES[part], row.error, row.failing_since, PATH)


def _late_backup(last: datetime | None, days: int, now: datetime) -> Iterator[Alarm]:
    if last is None or last < now - timedelta(days=days):
        told = "deskhand backup has never written one." if last is None else ""
        told = told or f"The last one is older than {days} days."
        yield Alarm(BACKUP_KEY, "There is no new backup", told, last or now, PATH)


def _folders(settings: Settings) -> list[Path]:
    """Where the desk writes, each disk once."""
    folders = [settings.data_dir]
    files = urlsplit(settings.storage_url or "")
    if files.scheme == "file":
        folders.append(Path(unquote(files.path)))
    return list({path.stat().st_dev: path for path in reversed(folders) if path.exists()}.values())


def _row(key: str, now: datetime) -> Watch:
    """Its row, made where there is none, and locked: several workers may note at once."""
    new = insert_into(Watch).values(key=key, error="", looked_at=now)
    db.session.execute(new.on_conflict_do_nothing(index_elements=["key"]))
    mine = sa.select(Watch).where(Watch.key == key).with_for_update()
    return db.session.scalars(mine, execution_options={"populate_existing": True}).one()
