"""The whole product as `deskhand run` starts it, a mail server for what it sends, and Chromium."""

from __future__ import annotations

import email
import email.policy
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app import create_app
from app.core.db import begin_write, db
from app.core.settings_store import change_setting
from app.settings import load
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a long pass phrase"
CHROMIUM = next(
    (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 60  # for whatever is waited for
expect.set_options(timeout=SECONDS * 1000)


@dataclass
class Inbox:
    """Every mail that the desk has sent, as an SMTP server received it."""

    received: list[tuple[str, EmailMessage]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by aiosmtpd."""
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.received.extend((recipient, message) for recipient in envelope.rcpt_tos)
        return "250 OK"

    def wait_for(self, recipient: str | tuple[str, ...], text: str) -> EmailMessage:
        """The first mail to *recipient*, or one of them, with *text* in subject or body."""
        wanted = (recipient,) if isinstance(recipient, str) else recipient
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for to, message in self.received:
                if to in wanted and (text in body(message) or text in str(message["Subject"])):
                    return message
            time.sleep(0.1)
        got = [(to, str(message["Subject"])) for to, message in self.received]
        raise AssertionError(f"no mail to {recipient} with {text!r}; there are {got}")


def body(message: EmailMessage) -> str:
    """The text part."""
    part = message.get_body(("plain",))
    return str(part.get_content()) if part else ""


def link(message: EmailMessage) -> str:
    """The first link of a mail's text."""
    found = re.search(r"https?://\S+", body(message))
    assert found, body(message)
    return found[0]


@dataclass
class Desk:
    """A running desk."""

    url: str
    inbox: Inbox
    environ: dict[str, str]

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run ``deskhand`` with *arguments*."""
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """`deskhand run` with an admin, an agent and a customer who have passwords."""
    with outset(tmp_path_factory.mktemp("desk")) as found:
        found.command("db", "upgrade")
        for address, name, role in (
            ("admin@desk.example", "Sanna Oksanen", "admin"),
            ("agent@desk.example", "Priya Raman", "agent"),
            ("customer@shop.example", "Thabo Nkosi", "customer"),
        ):
            arguments = ("--email", address, "--name", name, "--role", role, "--password-stdin")
            found.command("user", "create", *arguments, stdin=PASSWORD)
        with create_app(load(found.environ)).app_context():
            begin_write()
            change_setting("undo_seconds", 1)  # answers leave at once, nearly
            db.session.commit()
            db.engine.dispose()
        with running(found):
            yield found


@contextmanager
def outset(folder: Path) -> Iterator[Desk]:
    """A desk in an empty folder, not running yet, and the mail server for what it will send."""
    if CHROMIUM is None:
        assert os.environ.get("CI") != "true", "under CI Chromium must be there"
        pytest.skip("needs Chromium (as root: apt-get install chromium)")
    inbox = Inbox()
    smtp_port, port = free_port(), free_port()
    smtp = Controller(inbox, hostname="127.0.0.1", port=smtp_port, ready_timeout=60)
    smtp.start()
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("DESKHAND_")},
        "DESKHAND_DATA_DIR": str(folder),
        "DESKHAND_BASE_URL": f"http://127.0.0.1:{port}",
        "DESKHAND_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "DESKHAND_MAIL_FROM": "support@desk.example",
        "DESKHAND_FORM_MIN_SECONDS": "0",
        "DESKHAND_RATE_LIMITS": "off",
        "DESKHAND_OUTBOUND_ALLOW": "127.0.0.1",
    }
    try:
        yield Desk(f"http://127.0.0.1:{port}", inbox, environ)
    finally:
        smtp.stop()


@contextmanager
def running(found: Desk) -> Iterator[Path]:
    """`deskhand run`, from when it serves to its end; where it logs."""
    log = Path(found.environ["DESKHAND_DATA_DIR"], "log")
    port = found.url.rpartition(":")[2]
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "run", "--port", port],
            cwd=ROOT,
            env=found.environ,
            stdout=file,
            stderr=file,
        )
        try:
            wait_until_ready(found.url, log)
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_until_ready(url: str, log: Path) -> None:
    """Until the desk serves."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the desk did not start:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for the run."""
    assert CHROMIUM is not None  # else no desk was started
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_browser(chromium: Browser, desk: Desk) -> Iterator[Callable[..., Page]]:
    """Open a browser of one person; a complaint of the page or its policy fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_it(*, script: bool = True, **options: Any) -> Page:
        # Without motion: Chromium complains where a page is left while it still fades in.
        context = chromium.new_context(
            base_url=desk.url,
            java_script_enabled=script,
            locale="en-GB",
            **{"reduced_motion": "reduce", **options},
        )
        context.set_default_timeout(SECONDS * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page, address: str) -> None:
    """Sign in as a person would."""
    page.goto("/login")
    page.get_by_label("Mail address").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda url: "/login" not in url)
