"""A mail of 50 MB, read by a worker as it runs in production: in less than 200 MB."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.mail import receiving
from app.tickets.models import Attachment
from tests import servers
from tests.faults.conftest import own_app
from tests.process.test_run import DESKHAND, environment
from tests.process.test_supervisor import wait_until

HEAD = b"""From: Ada <ada@customer.example>
To: support@desk.example
Subject: Pictures
Message-ID: <large@customer.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=part

--part

See below.
--part
Content-Type: application/zip
Content-Disposition: attachment; filename=all.zip
Content-Transfer-Encoding: base64

"""


def attached_bytes() -> int:
    close_session()
    return db.session.scalar(sa.select(sa.func.sum(Attachment.size))) or 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_worker_stays_small(tmp_path: Path) -> None:
    file = os.urandom(36_500_000)
    raw = HEAD + base64.encodebytes(file) + b"--part--\n"
    assert len(raw) > 49_000_000
    settings = {"DESKHAND_REDIS_URL": servers.redis_url(), "DESKHAND_LOG_LEVEL": "ERROR"}
    with own_app(tmp_path, **settings):
        begin_write()
        receiving.store(raw, None, now=utcnow())
        db.session.commit()  # rings
        worker = subprocess.Popen([*DESKHAND, "worker"], env=environment(tmp_path, **settings))
        try:
            wait_until(lambda: attached_bytes() == len(file))
            status = Path(f"/proc/{worker.pid}/status").read_text()
        finally:
            worker.terminate()
            worker.wait()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    assert peak < 200, f"{peak:.0f} MB"
