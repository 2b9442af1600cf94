"""A browser and a program that use a running desk over HTTP."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Any

TICKET = {
    "name": "Thabo Nkosi",
    "email": "thabo@customer.example",
    "subject": "Charged twice",
    "category": "billing",
    "description": "The second charge is wrong.",
}


@dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: Message
    text: str
    seconds: float

    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Site:
    """Keeps cookies like a browser; follows no redirects."""

    def __init__(self, port: int, *, ip: str = "192.0.2.1", token: str = "") -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.headers = {"X-Forwarded-For": ip}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), _NoRedirects()
        )

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self.base + path))

    def post(self, path: str, page: str, **fields: str) -> Answer:
        """Take the token from *page* and post the form."""
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get(page).text)
        assert found, page
        data = urllib.parse.urlencode({"csrf_token": found[1], **fields}).encode()
        return self._ask(urllib.request.Request(self.base + path, data))

    def open_ticket(self, **changes: str) -> Answer:
        return self.post("/tickets/new", "/tickets/new", **{**TICKET, **changes})

    def api(self, path: str, body: Any = None) -> Answer:
        """Call the API: GET, or POST where there is a *body*."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(f"{self.base}/api/v1{path}", data, headers))

    def _ask(self, request: urllib.request.Request) -> Answer:
        for name, value in self.headers.items():
            request.add_header(name, value)
        began = time.monotonic()
        try:
            answer: HTTPResponse = self._opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error  # type: ignore[assignment]
        with answer:
            text = answer.read().decode()
            return Answer(answer.status, answer.headers, text, time.monotonic() - began)
