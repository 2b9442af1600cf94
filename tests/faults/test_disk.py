"""A disk that is full or cannot be written: said clearly, nothing half-written, nothing lost."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.mail import receiving
from app.mail.models import InboundEmail, InboundState
from app.tickets.models import Attachment, Ticket
from tests.faults.conftest import own_app
from tests.faults.site import TICKET
from tests.portal.conftest import Visitor
from tests.process.test_run import DESKHAND, environment
from tests.process.test_supervisor import ROOT
from worker import jobs

pytestmark = pytest.mark.real_commits

MEGABYTE = 1 << 20
MAIL = b"""From: Ada <ada@customer.example>
To: support@localhost
Subject: With a picture
Message-ID: <disk@customer.example>
Content-Type: multipart/mixed; boundary=part

--part
Content-Type: text/plain

See the picture.
--part
Content-Type: application/pdf
Content-Disposition: attachment; filename=picture.pdf
Content-Transfer-Encoding: base64

%b
--part--
""" % (b"QUJD" * 100_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk, and not in every container")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(folder).f_bavail == 0
    yield
    filler.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    for how in ("ro", "rw"):
        if how == "rw":
            yield
        subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


@contextmanager
def not_ours(folder: Path) -> Iterator[None]:
    folder.chmod(0o500)
    with like_anybody():
        yield
    folder.chmod(0o700)


@contextmanager
def like_anybody() -> Iterator[None]:
    """Give up root's right to write everywhere (CAP_DAC_OVERRIDE, capabilities(7)) for a while."""
    libc = ctypes.CDLL(None, use_errno=True)
    version_3_this_thread = (ctypes.c_uint32 * 2)(0x20080522, 0)
    effective, before = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    for sets in (effective, before):
        assert libc.capget(version_3_this_thread, sets) == 0
    effective[0] &= ~(1 << 1)
    assert libc.capset(version_3_this_thread, effective) == 0
    yield
    assert libc.capset(version_3_this_thread, before) == 0


def tickets() -> list[Ticket]:
    close_session()
    return list(db.session.scalars(sa.select(Ticket)))


def files_below(folder: Path) -> list[str]:
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    return [name for name in names if name not in ("lock", "filler")]


def open_with_file(guest: Visitor, size: int = MEGABYTE) -> int:
    file = (BytesIO(b"%PDF-1.4 " + os.urandom(size)), "scan.pdf", "application/pdf")
    answer = guest.post("/tickets/new", **TICKET, attachments=file)
    if answer.status_code == 503:
        assert "Our disk is full or broken" in answer.text
        assert "Send again" in answer.text
        assert 'name="attachments"' in answer.text
    status: int = answer.status_code
    return status


@pytest.mark.parametrize("trouble", [full, read_only])
def test_files_have_no_place(
    tmp_path: Path, disk: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with own_app(tmp_path, DESKHAND_STORAGE_URL=f"file://{disk}/files") as app:
        check_files(app, disk, trouble)


def test_the_folder_of_files_is_somebody_elses(tmp_path: Path) -> None:
    with own_app(tmp_path / "data") as app:
        folder = tmp_path / "data" / "attachments"
        folder.mkdir(exist_ok=True)
        check_files(app, folder, not_ours)


def check_files(
    app: Flask, folder: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    guest = Visitor(app.test_client())
    with trouble(folder):
        assert open_with_file(guest) == 503
        assert tickets() == []
        assert files_below(folder) == []
        assert guest.post("/tickets/new", **TICKET).status_code == 303  # without files it goes on
        begin_write()
        receiving.store(MAIL, None, now=utcnow())
        db.session.commit()
        with pytest.raises(OSError):  # noqa: PT011 - whichever the disk says
            jobs.process_mail()
        close_session()
        email = db.session.scalars(sa.select(InboundEmail)).one()
        assert (email.state, email.attempts) == (InboundState.WAITING, 0)
        begin_write()
        db.session.execute(sa.update(InboundEmail).values(due_at=utcnow()))
        db.session.commit()
    jobs.process_mail()
    assert [ticket.subject for ticket in tickets()] == [TICKET["subject"], "With a picture"]
    assert open_with_file(guest) == 303
    close_session()
    assert len(files_below(folder)) == db.session.scalar(sa.select(sa.func.count(Attachment.id)))


def test_the_database_has_no_place(disk: Path) -> None:
    with own_app(disk) as app:
        guest = Visitor(app.test_client())

        def open_ticket(subject: str, text: str = "Help") -> TestResponse:
            form = {**TICKET, "subject": subject, "description": text}
            return guest.post("/tickets/new", **form)

        assert open_ticket("Before").status_code == 303
        with full(disk):
            taken = 1
            while (refused := open_ticket(f"Large {taken}", "x" * 49_000)).status_code == 303:
                taken += 1  # the log had room for it
            assert refused.status_code == 503
            assert "Our disk is full or broken" in refused.text
            assert guest.get("/").status_code == 200
            ingested = subprocess.run(
                [*DESKHAND, "mail", "ingest"],
                input=MAIL,
                env=environment(disk),
                cwd=ROOT,
                capture_output=True,
                timeout=120,
                check=False,
            )
            assert ingested.returncode == 75
            assert ingested.stderr.splitlines()[-1].startswith(b"not stored, try again: ")
        assert len(tickets()) == taken
        assert open_ticket("After").status_code == 303
        assert len(tickets()) == taken + 1
        assert db.session.scalar(sa.text("PRAGMA integrity_check")) == "ok"
