"""A bucket that holds the files: what works with it, and what happens while it is away."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.automation import housekeeping
from app.backup.putting_back import put_back
from app.backup.taking import take
from app.core.blobs import StorageAway
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.core.storage import Folder, storage
from app.mail import receiving
from app.mail.models import InboundEmail, InboundState
from app.tickets.models import Attachment
from app.tickets.serving import serve
from tests.core.bucket_server import BucketServer, bucket_server
from tests.faults.conftest import own_app
from tests.faults.site import TICKET
from tests.faults.test_disk import MAIL, tickets
from tests.portal.conftest import Visitor
from worker import jobs

pytestmark = pytest.mark.real_commits

LOG = b"E-41 and so on"


@pytest.fixture
def server() -> Iterator[BucketServer]:
    with bucket_server() as running:
        yield running


def open_with_file(guest: Visitor) -> tuple[int, str]:
    """Send the form with a file; the status and the page."""
    files = [(BytesIO(LOG), "log.txt")]
    answer = guest.post("/tickets/new", **TICKET, attachments=files)
    return answer.status_code, answer.text


def test_while_it_is_away_it_is_said_and_nothing_is_lost(
    server: BucketServer, tmp_path: Path
) -> None:
    with own_app(tmp_path, DESKHAND_STORAGE_URL=server.url) as app:
        guest = Visitor(app.test_client())
        server.stop()
        status, page = open_with_file(guest)
        assert status == 503
        assert "Where we keep files does not answer" in page
        assert tickets() == []
        assert guest.post("/tickets/new", **TICKET).status_code == 303  # without files it goes on
        begin_write()
        receiving.store(MAIL, None, now=utcnow())
        db.session.commit()
        with pytest.raises(StorageAway):
            jobs.process_mail()
        close_session()
        email = db.session.scalars(sa.select(InboundEmail)).one()
        assert (email.state, email.attempts) == (InboundState.WAITING, 0)
        close_session()
        housekeeping.tidy(utcnow())  # the rest of it is done

        server.start()
        begin_write()
        db.session.execute(sa.update(InboundEmail).values(due_at=utcnow()))
        db.session.commit()
        jobs.process_mail()
        assert [ticket.subject for ticket in tickets()] == [TICKET["subject"], "With a picture"]
        assert open_with_file(guest)[0] == 303


def test_files_go_there_are_served_from_there_and_into_backups(
    server: BucketServer, tmp_path: Path
) -> None:
    with own_app(tmp_path / "one", DESKHAND_STORAGE_URL=server.url) as app:
        assert open_with_file(Visitor(app.test_client()))[0] == 303
        assert not (tmp_path / "one" / "attachments").exists()
        row = db.session.scalars(sa.select(Attachment)).one()
        db.session.expunge(row)
        with app.test_request_context():
            whole = serve(row)
            assert (b"".join(whole.iter_encoded()), whole.content_length) == (LOG, len(LOG))
            assert whole.headers["Content-Disposition"] == "attachment; filename=log.txt"
        with app.test_request_context(headers={"Range": "bytes=2-3"}):
            part = serve(row)
            assert (part.status_code, b"".join(part.iter_encoded())) == (206, b"41")
        close_session()
        told = take(tmp_path / "all.backup")
        assert (told["files"], told["missing"]) == (1, [])
        close_session()
    with own_app(tmp_path / "two"):
        put_back(tmp_path / "all.backup")
        folder = storage()
        assert isinstance(folder, Folder)
        assert folder.path(row.sha256).read_bytes() == LOG
