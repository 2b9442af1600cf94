"""A Redis that a test may stop, freeze and empty."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from redis import Redis

from app.process import bundled_redis
from tests import servers


class OwnRedis:
    """A real server on a Unix socket in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._command = bundled_redis.command(
            bundled_redis.find_server(), socket_path=self.socket, folder=folder / "redis"
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)
        assert servers.redis_answers(self.socket)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It takes connections and never answers, like a host that hangs."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def empty(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()
