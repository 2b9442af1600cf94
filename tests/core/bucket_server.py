"""A server that speaks S3 for the tests: moto's, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.servers import free_port

BUCKET = "attachments"


@dataclass
class BucketServer:
    """Where it listens; it can be stopped, and started again empty."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For ``DESKHAND_STORAGE_URL``."""
        return f"s3+http://key:secret%2F1@127.0.0.1:{self.port}/{BUCKET}/desk?region=eu-west-1"

    def start(self) -> None:
        with tempfile.TemporaryFile() as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-p", str(self.port)],
                stdout=output,
                stderr=output,
            )
            deadline = time.monotonic() + 120
            while not self._makes_bucket():
                if time.monotonic() > deadline or self.process.poll() is not None:
                    output.seek(0)
                    raise RuntimeError(f"no bucket: {output.read().decode()}")
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _makes_bucket(self) -> bool:
        place = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{BUCKET}",
            f"{place}</CreateBucketConfiguration>".encode(),
            method="PUT",
        )
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:
            return False
        return True


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    """Run one."""
    server = BucketServer(free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
