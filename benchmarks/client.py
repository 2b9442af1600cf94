"""The other side: signs in, fills the form in, and measures with wrk or with sockets of its own."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import urlencode

AGENT = "deskhand-benchmark"
WARM_UP_SECONDS = 1.0
HAS_WRK = shutil.which("wrk") is not None


@dataclass(frozen=True)
class Measured:
    """One cell of the table: times in milliseconds, answers a second."""

    p50: float
    p99: float
    rate: float
    count: int = 0


class Browser:
    """Keeps a connection and cookies, as a browser would."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.cookies: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        """What every request sends. The User-Agent is always the same, as a browser's is."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"User-Agent": AGENT, "Cookie": cookie}

    def open(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, Location and body of an answer; a redirect is not followed."""
        headers = dict(self.headers)
        body = None
        if form is not None:
            body = urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request("GET" if form is None else "POST", path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers.get("Location", ""), text

    def token(self, path: str) -> str:
        """The CSRF token of a page."""
        status, _, text = self.open(path)
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        assert status == 200, f"{path} answered {status}"
        assert found is not None, f"{path} has no form"
        return found[1]

    def sign_in(self, email: str, password: str) -> None:
        """Through the page, as people do."""
        form = {"email": email, "password": password, "csrf_token": self.token("/login")}
        status, _, text = self.open("/login", form)
        assert status in (302, 303), f"signing in as {email} answered {status}: {text[:300]}"
        self.open("/desk/")  # the session has its form token from now on, as any browser's has


def measure(
    port: int, path: str, *, clients: int, seconds: float, headers: dict[str, str], expect: int
) -> Measured:
    """Ask for one page over and over, after a second of warming up.

    Raises:
        AssertionError: an answer was not the expected one.
    """
    # Many clients warm up, so that each of the server's processes has had the page.
    for count, length in ((max(8, clients), WARM_UP_SECONDS), (clients, seconds)):
        if HAS_WRK:
            found = _wrk(port, path, clients=count, seconds=length, headers=headers)
        else:
            found = together(count, lambda n, end: _fetch(port, path, headers, expect, end), length)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    status = connection.getresponse().status
    assert status == expect, f"{path} answered {status}"
    return found


def _wrk(
    port: int, path: str, *, clients: int, seconds: float, headers: dict[str, str]
) -> Measured:
    command = ["wrk", "--latency", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    told = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    ).stdout
    assert "Non-2xx" not in told, f"{path}: {told}"
    assert "Socket errors" not in told, f"{path}: {told}"
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}

    def share(percent: int) -> float:
        found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", told)
        assert found is not None, told
        return float(found[1]) * units[found[2]]

    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    count = re.search(r"(\d+) requests in", told)
    assert rate is not None
    assert count is not None
    return Measured(share(50), share(99), float(rate[1]), int(count[1]))


def _fetch(port: int, path: str, headers: dict[str, str], expect: int, end: float) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    while (began := time.perf_counter()) < end:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - began)
        assert answer.status == expect, f"{path} answered {answer.status}"
    return took


def post_tickets(port: int, *, clients: int, seconds: float) -> Measured:
    """Guests fill in the portal's form, each with an address of their own."""
    return together(clients, lambda n, end: _open_tickets(port, n, end), seconds)


def _open_tickets(port: int, client: int, end: float) -> list[float]:
    browser = Browser(port)
    token = browser.token("/tickets/new")
    took: list[float] = []
    while (began := time.perf_counter()) < end:
        guest = f"guest{client}-{len(took)}-{time.time_ns()}"
        form = {
            "csrf_token": token,
            "name": f"Guest {client}",
            "email": f"{guest}@mail.example",
            "subject": f"The lamp of my Nook flickers in the evening ({len(took)})",
            "category": ("technical", "billing", "general", "account")[len(took) % 4],
            "description": "Every evening at about nine the lamp flickers for some minutes.\n\n"
            "I have unplugged it over night and set the schedule again. What else can I try?",
        }
        status, place, text = browser.open("/tickets/new", form)
        took.append(time.perf_counter() - began)
        assert status == 303, f"the form answered {status}: {text[-2000:]}"
        assert place.endswith("/tickets/sent"), place
    return took


def post_by_api(port: int, token: str, *, clients: int, seconds: float) -> Measured:
    """A program opens tickets of customers with an address of their own."""
    return together(clients, lambda n, end: _post_json(port, token, n, end), seconds)


def _post_json(port: int, token: str, client: int, end: float) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    took: list[float] = []
    while (began := time.perf_counter()) < end:
        body = {
            "subject": f"The lamp of my Nook flickers in the evening ({len(took)})",
            "description": "Every evening at about nine the lamp flickers for some minutes.",
            "category": ("technical", "billing", "general", "account")[len(took) % 4],
            "requester": {
                "name": f"Guest {client}",
                "email": f"guest{client}-{len(took)}-{time.time_ns()}@mail.example",
            },
        }
        connection.request("POST", "/api/v1/tickets", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        took.append(time.perf_counter() - began)
        assert answer.status == 201, f"the API answered {answer.status}: {text[:2000]!r}"
    return took


def together(clients: int, work: Callable[[int, float], list[float]], seconds: float) -> Measured:
    """Run *work(client, end)* in processes side by side; it returns the seconds of each answer."""
    context = get_context("fork")
    began = time.perf_counter()
    end = began + seconds
    pipes: list[Connection] = []
    processes = []
    for n in range(clients):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(theirs, work, n, end))
        process.start()
        theirs.close()
        pipes.append(mine)
        processes.append(process)
    took = sorted(second for pipe in pipes for second in pipe.recv())
    passed = time.perf_counter() - began
    for process in processes:
        process.join()
    assert took, "nothing was answered"
    return Measured(share(took, 0.5), share(took, 0.99), len(took) / passed, len(took))


def _send(
    pipe: Connection, work: Callable[[int, float], list[float]], client: int, end: float
) -> None:
    pipe.send(work(client, end))


def share(sorted_seconds: Sequence[float], part: float) -> float:
    """A percentile, in milliseconds."""
    return 1000 * sorted_seconds[min(len(sorted_seconds) - 1, int(len(sorted_seconds) * part))]
