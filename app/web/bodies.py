"""Bodies of requests are read while others work: a slow upload holds up nobody.

A process works on one request at a time (more only wait for each other: one interpreter lock, one
writer), but has many threads. Whoever sends a body gives up the turn until all of it has arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, ServiceUnavailable
from werkzeug.wsgi import get_input_stream

from app.web.limits import network

THREADS = 32  # of a process
MOST_ARRIVING = 24  # bodies at once: some threads are left for pages
MOST_OF_ONE = 8  # of them from one network address: nobody takes all by sending nothing
IN_MEMORY = 256 * 1024  # bytes of a body; what is longer goes to a file
PIECE = 64 * 1024
MOST_TAKEN = 1 << 30  # bytes of a body that are waited for, if only to say that it is too long
TURN, BODY = "deskhand.turn", "deskhand.body"  # in the environ

_arriving: Counter[str] = Counter()
_counting = Lock()


class OneAtATime:
    """WSGI middleware that lets one thread of a process work at a time."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app, self._turn = app, Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Wait for the turn, then work."""
        environ[TURN] = self._turn
        try:
            with self._turn:
                return self._app(environ, start_response)
        finally:
            if body := environ.get(BODY):
                body.close()


def take_body(request: Request) -> None:
    """Wait until the whole body is here, if there is one that the request may have.

    Raises:
        RequestEntityTooLarge: it is longer than it may be.
        ServiceUnavailable: this address, or everybody, sends too many at once.
    """
    turn: Lock | None = request.environ.get(TURN)
    has_body = request.content_length or "Transfer-Encoding" in request.headers
    if turn is None or not has_body:
        return
    limit, length = request.max_content_length, request.content_length or 0
    is_too_long = limit is not None and length > limit
    if length > MOST_TAKEN:
        raise RequestEntityTooLarge
    stream = get_input_stream(request.environ, max_content_length=None if is_too_long else limit)
    address = network()
    with _counting:
        if _arriving[address] >= MOST_OF_ONE or _arriving.total() >= MOST_ARRIVING:
            raise ServiceUnavailable
        _arriving[address] += 1
    body = cast(IO[bytes], SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  (closed above)
    request.environ[BODY] = body
    turn.release()
    try:
        while piece := stream.read(PIECE):
            if not is_too_long:
                body.write(piece)
    finally:
        with _counting:  # who has sent all only waits for the turn, as everybody does
            _arriving[address] -= 1
            if not _arriving[address]:
                del _arriving[address]
        turn.acquire()
    if is_too_long:
        raise RequestEntityTooLarge  # only now: who is still sending sees no answer
    body.seek(0)
    request.environ |= {"wsgi.input": body, "wsgi.input_terminated": True}
