"""A body that is long in coming holds up nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Event
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.web.bodies import MOST_ARRIVING, MOST_OF_ONE, THREADS, OneAtATime

WAIT = 10  # seconds: as long as no test takes


class Body:
    """What a client sends, as the web server hands it on."""

    def __init__(self, content: bytes) -> None:
        self.length = len(content)
        self._content = BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)


class SlowBody(Body):
    """Yields nothing before it is told to."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.asked, self.arrives = Event(), Event()

    def read(self, size: int = -1) -> bytes:
        self.asked.set()
        assert self.arrives.wait(WAIT)
        return super().read(size)


@pytest.fixture
def ask(app: Flask) -> Iterator[Any]:
    """Send something in a thread of its own; the status of the answer."""
    server = OneAtATime(app)

    def ask(path: str, body: Body | None = None, **environ: str) -> str:
        builder = EnvironBuilder(path, method="POST" if body else "GET")
        sent = {**builder.get_environ(), **environ}
        if body:
            sent |= {"wsgi.input": body, "CONTENT_LENGTH": str(body.length)}
        _, status, _ = run_wsgi_app(server, sent, buffered=True)
        return status[:3]

    with ThreadPoolExecutor(THREADS) as pool:
        yield lambda *args, **kwargs: pool.submit(ask, *args, **kwargs)


def test_others_are_served_meanwhile(ask: Any) -> None:
    body = SlowBody(b"x=1")
    upload = ask("/healthz", body)
    assert body.asked.wait(WAIT)
    assert ask("/healthz").result(WAIT) == "200"
    assert not upload.done()
    body.arrives.set()
    assert upload.result(WAIT) == "405"


def test_one_address_cannot_take_all_threads(ask: Any) -> None:
    bodies = [SlowBody(b"x=1") for _ in range(MOST_OF_ONE)]
    uploads = [ask("/healthz", body) for body in bodies]
    assert all(body.asked.wait(WAIT) for body in bodies)
    assert ask("/healthz", Body(b"x=1")).result(WAIT) == "503"
    other = ask("/healthz", Body(b"x=1"), REMOTE_ADDR="192.0.2.7")
    assert other.result(WAIT) == "405"
    for body in bodies:
        body.arrives.set()
    assert {upload.result(WAIT) for upload in uploads} == {"405"}
    assert ask("/healthz", Body(b"x=1")).result(WAIT) == "405"


def test_pages_are_served_while_many_send_nothing(ask: Any) -> None:
    bodies = [SlowBody(b"x=1") for _ in range(MOST_ARRIVING)]
    uploads = [
        ask("/healthz", body, REMOTE_ADDR=f"192.0.2.{number}") for number, body in enumerate(bodies)
    ]
    assert all(body.asked.wait(WAIT) for body in bodies)
    assert ask("/healthz", Body(b"x=1"), REMOTE_ADDR="198.51.100.1").result(WAIT) == "503"
    assert ask("/healthz").result(WAIT) == "200"
    for body in bodies:
        body.arrives.set()
    assert {upload.result(WAIT) for upload in uploads} == {"405"}


def test_a_form_is_read_as_before(ask: Any) -> None:
    kind = "application/x-www-form-urlencoded"
    sent = ask("/login", Body(b"email=a%40b.example"), CONTENT_TYPE=kind)
    assert sent.result(WAIT) == "400"  # without the token of its page
    too_long = ask("/login", Body(b"x" * 3_000_000), CONTENT_TYPE=kind)
    assert too_long.result(WAIT) == "413"


def test_a_browser_hears_that_its_form_is_too_long(ask: Any) -> None:
    """It reads no answer while it is sending, so all that it sends is taken."""
    body = Body(b"x" * 3_000_000)
    assert ask("/login", body).result(WAIT) == "413"
    assert body.read() == b""
