"""``deskhand backup`` and ``deskhand restore``: everything, at one moment, on either database."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import create_app
from app.automation import watches
from app.backup import archive, rows
from app.core.db import begin_write, db
from app.core.storage import storage
from app.settings import load
from app.tickets.attachments import DIGESTS
from app.tickets.history_models import TicketEvent
from app.tickets.models import Attachment, SlaClock, Ticket
from tests.servers import postgres_url

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASES = ("sqlite", "postgresql")


class Desk:
    """A data folder, and a database in it or on a server."""

    def __init__(self, folder: Path, database: str, name: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.environ = {"DESKHAND_DATA_DIR": str(folder), "DESKHAND_LOG_LEVEL": "ERROR"}
        if database == "postgresql":
            self.environ["DESKHAND_DATABASE_URL"] = postgres_url(name)

    def run(self, *arguments: str, module: str = "app") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self._all(),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def do(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def writers(self) -> Iterator[None]:
        command = [sys.executable, "-m", "tests.backup.writer"]
        process = subprocess.Popen(command, cwd=ROOT, env=self._all(), stderr=subprocess.PIPE)
        yield
        assert process.poll() is None, "a writer failed"
        process.kill()
        process.communicate()

    def _all(self) -> dict[str, str]:
        plain = {key: value for key, value in os.environ.items() if key[:9] != "DESKHAND_"}
        return plain | self.environ

    @contextmanager
    def open(self) -> Iterator[sa.Connection]:
        app = create_app(load(self.environ))
        with app.app_context():
            with db.engine.connect() as connection:
                yield connection
            db.session.remove()
            db.engine.dispose()

    def everything(self) -> dict[str, list[bytes]]:
        """All rows of all tables as a backup words them, and digests of the files that they name.

        The demo data keeps some files of which it may name none, by the time of day.
        """
        with self.open() as connection:
            found = {t.name: list(rows.dump(connection, t)) for t in rows.tables()}
            files = [path for path in storage().root.glob("??/*") if path.is_file()]
            kept = {path.parent.name + path.name for path in files}
            named = connection.scalars(sa.union(*(sa.select(column) for column in DIGESTS)))
            found["files"] = sorted(digest.encode() for digest in kept & set(named))
        return found

    def found(self, word: str) -> int:
        """Tickets that the full-text search has for a word."""
        with self.open() as connection:
            count = "select count(*) from search_ticket where search_ticket match :word"
            if connection.dialect.name == "postgresql":
                count = (
                    "select count(*) from search_ticket"
                    " where document @@ to_tsquery('simple', :word)"
                )
            return int(connection.execute(sa.text(count), {"word": word}).scalar_one())


def fill(desk: Desk) -> Desk:
    desk.do("db", "upgrade")
    desk.do("demo", "--tickets", "60", "--seed", "3")
    with desk.open():
        begin_write()
        first, second = db.session.scalars(sa.select(Ticket).order_by(Ticket.id).limit(2))
        first.merged_into_id = second.id  # points forward
        first.subject = "Zürich 🎈 \x1f \u2028"
        db.session.commit()
    return desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Desk:
    """A desk with a backup of it beside its folder."""
    made = fill(Desk(tmp_path_factory.mktemp("backup") / "desk", request.param, "backup_from"))
    assert "60 tickets" in made.do("backup", str(backup_of(made)))
    return made


def backup_of(desk: Desk) -> Path:
    return desk.folder.with_name("all.backup")


@pytest.mark.slow
@pytest.mark.parametrize("target", DATABASES)
@pytest.mark.parametrize("desk", DATABASES, indirect=True)
def test_everything_comes_back(desk: Desk, target: str, tmp_path: Path) -> None:
    assert backup_of(desk).stat().st_mode & 0o777 == 0o600
    other = Desk(tmp_path / "other", target, "backup_to")
    assert "put back 60 tickets" in other.do("restore", str(backup_of(desk)))
    assert other.everything() == desk.everything()
    key = (desk.folder / "secret_key").read_text()
    assert (other.folder / "secret_key").read_text() == key
    assert other.found("zurich") == desk.found("zurich") == 1
    # What comes next gets numbers of its own.
    other.do("user", "create", "--email", "new@mail.example", "--name", "New", "--role", "agent")


@pytest.mark.slow
@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_what_is_there_stays_unless_told(desk: Desk, tmp_path: Path) -> None:
    again = desk.run("backup", str(backup_of(desk)))
    assert (again.returncode, again.stdout) == (1, "")
    assert "choose another name" in again.stderr
    with desk.open():  # a timer that asks for the same name each day would fail in silence
        watch = db.session.get_one(watches.Watch, "backup:")
        assert watch.error == f"{backup_of(desk)} is there already; choose another name"
        assert watch.failing_since > watch.succeeded_at
    desk.do("backup", str(tmp_path / "another.backup"))
    with desk.open():
        watch = db.session.get_one(watches.Watch, "backup:")
        assert (watch.error, watch.failing_since) == ("", None)
    other = Desk(tmp_path / "other", "sqlite", "")
    other.do("restore", str(backup_of(desk)))
    with other.open():
        begin_write()
        db.session.execute(sa.update(Ticket).values(subject="Spoilt"))
        db.session.commit()
    refused = other.run("restore", str(backup_of(desk)))
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert other.found("spoilt") == 60
    other.do("restore", str(backup_of(desk)), "--overwrite")
    assert other.everything() == desk.everything()
    assert other.found("spoilt") == 0


@pytest.mark.slow
@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_a_running_desk_is_not_overwritten(desk: Desk) -> None:
    with (desk.folder / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = desk.run("restore", str(backup_of(desk)), "--overwrite")
    assert refused.returncode == 1
    assert "already running" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_a_damaged_file_is_told_before_anything_changes(desk: Desk, tmp_path: Path) -> None:
    whole = backup_of(desk).read_bytes()
    with tarfile.open(backup_of(desk)) as tar:
        at = tar.getmember("tables/ticket.jsonl.gz").offset_data + 50
    broken = {
        **{f"cut at {part}": whole[: len(whole) * part // 10] for part in range(1, 10)},
        "short": whole[:1000],
        "empty": b"",
        "turned": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        "text": b"no archive at all" * 100,
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(archive.BrokenBackup):
            archive.check(tmp_path / name)
    other = Desk(tmp_path / "other", "sqlite", "")
    refused = other.run("restore", str(tmp_path / "turned"))
    assert refused.returncode == 1
    assert "tables/ticket.jsonl.gz is not what was written" in refused.stderr
    assert not (other.folder / "deskhand.db").exists()
    missing = other.run("restore", str(tmp_path / "nothing"))
    assert "No such file" in missing.stderr


@pytest.mark.slow
@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_the_secret_key_can_be_left_out(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "all.backup"
    assert "secret_key" in desk.do("backup", str(file), "--without-secret-key")
    assert [name for name, _ in archive.members(file) if name == "secret_key"] == []
    assert "holds 60 tickets" in desk.do("restore", "--check", str(file))


@pytest.mark.slow
@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_nobody_reads_along_who_knew_the_name(desk: Desk, tmp_path: Path) -> None:
    """In a folder where others write, such as /tmp, the draft's name may be taken."""
    lure, file = tmp_path / "lure", tmp_path / "all.backup"
    lure.write_text("mine")
    lure.chmod(0o666)
    os.link(lure, tmp_path / ".all.backup.unfinished")
    desk.do("backup", str(file))
    assert lure.read_text() == "mine"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("desk", DATABASES, indirect=True)
def test_a_backup_is_of_one_moment_while_others_write(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "all.backup"
    target = "postgresql" if "DESKHAND_DATABASE_URL" in desk.environ else "sqlite"
    with desk.writers():
        deadline = time.monotonic() + 240
        while desk.found("writes") < 30:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        desk.do("backup", str(file))
    other = Desk(tmp_path / "other", target, "backup_to")
    other.do("restore", str(file))
    with other.open() as connection:
        count = connection.execute(sa.select(sa.func.count(Ticket.id))).scalar_one()
        assert count > 90
        created = sa.select(TicketEvent.ticket_id).where(TicketEvent.kind == "created")
        clocked = sa.select(SlaClock.ticket_id)
        for told in (created, clocked):
            bare = sa.select(sa.func.count()).where(Ticket.id.not_in(told))
            assert connection.execute(bare.select_from(Ticket)).scalar_one() == 0
        for digest in connection.execute(sa.select(Attachment.sha256)).scalars():
            assert storage().path(digest).is_file()
