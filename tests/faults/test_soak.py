"""Whatever is killed, full, locked or away: each mail is there once, each answer goes out."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.accounts.models import Role
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import begin_write, db
from tests.factories import make_agent
from tests.faults.conftest import own_app
from tests.faults.own_redis import OwnRedis
from tests.faults.soak import Parts, Soak
from tests.mail.smtp import smtp_server

DISK = "160m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small disk, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def soaking(folder: Path, disk: Path | None, *, small: bool) -> Iterator[Soak]:
    (folder / "redis").mkdir()
    redis = OwnRedis(folder / "redis")
    data = (disk or folder) / "data"
    with smtp_server() as inbox:
        settings = {"DESKHAND_REDIS_URL": redis.url, "DESKHAND_SMTP_URL": inbox.url}
        with own_app(data, **settings):
            begin_write()
            admin = make_agent("root@desk.example", role=Role.ADMIN)
            token = make_token(admin, "soak", now=utcnow())
            db.session.commit()
        parts = Parts(data, small=small, **settings)
        parts.start()
        seed = int(os.environ.get("SOAK_SEED", "0")) or random.randrange(1, 10**6)
        try:
            yield Soak(parts, redis, inbox, token, disk, random.Random(seed))
        finally:
            parts.stop(signal.SIGKILL)
            redis.kill()


def play(soak: Soak, rounds: int, longest: float) -> None:
    names = soak.run(rounds, longest=longest)
    assert len(names) >= rounds
    soak.finish()
    soak.check(names)


@pytest.mark.slow
def test_a_few_faults_lose_nothing(tmp_path: Path, disk: Path | None) -> None:
    with soaking(tmp_path, disk, small=True) as soak:
        play(soak, 10, 0.3)


@pytest.mark.soak
def test_hundreds_of_faults_lose_nothing(tmp_path: Path, disk: Path | None) -> None:
    with soaking(tmp_path, disk, small=False) as soak:
        play(soak, int(os.environ.get("SOAK_ROUNDS", "300")), 6.0)
