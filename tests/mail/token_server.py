"""A real OAuth2 token server for tests; Dovecot asks it whether a token is good."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


@dataclass
class TokenServer:
    """Gives a new access and a new refresh token each time; ``good`` are those that work now."""

    url: str
    user: str
    refresh_tokens: list[str] = field(default_factory=lambda: ["first"])
    good: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    life: int = 3600

    def answer(self, path: str, fields: dict[str, str]) -> tuple[int, dict[str, object]]:
        if path == "/introspect":
            is_good = fields.get("token") in self.good
            return 200, {"active": "true" if is_good else "false", "username": self.user}
        self.asked.append(fields)
        if fields.get("refresh_token") not in self.refresh_tokens[-1:]:
            told = "The refresh token was used or taken back."
            return 400, {"error": "invalid_grant", "error_description": told}
        number = len(self.asked)
        self.good = {f"access{number}"}
        self.refresh_tokens.append(f"refresh{number}")
        return 200, {
            "access_token": f"access{number}",
            "refresh_token": f"refresh{number}",
            "expires_in": self.life,
            "token_type": "Bearer",
        }


@contextmanager
def token_server(port: int, user: str) -> Iterator[TokenServer]:
    """Serve on that port of this machine."""
    found = TokenServer(url=f"http://127.0.0.1:{port}/token", user=user)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = {name: values[0] for name, values in parse_qs(body).items()}
            status, told = found.answer(self.path, fields)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        server.shutdown()
