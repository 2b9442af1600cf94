"""How quickly mail comes in: parsed, handed over by LMTP, turned into tickets; and in what memory.

``python -m benchmarks.mail --help``, on a copy of a desk that may be written to.
"""

from __future__ import annotations

import argparse
import base64
import os
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

from app import create_app
from app.channels import inbound_email
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.mail import parsing, receiving
from app.process.heap import share_one_heap

BOX = "support@demo.example"
PEERS = 4  # connections that deliver at once
ITSELF = (sys.executable, "-m", "benchmarks.mail")

TEXT = """Hello Greenlatch team,

since Tuesday the pump of our Alcove in the staff room hums, but the mist nozzle stays dry. I have
rinsed the reservoir and the filter mat as the booklet says, and it made no difference. The app
shows F-{number:02} and asks me to check the level sensor.

Kind regards
{name}

--
Harbour Lane Bistro
12 Harbour Lane
"""


def make_mail(number: int) -> bytes:
    """A plain mail, or one with an HTML part, from one of a few hundred people."""
    name = f"Guest {number % 300}"
    mail = EmailMessage()
    mail["From"] = f"{name} <guest{number % 300}@mail.example>"
    mail["To"] = BOX
    mail["Subject"] = f"Pump of the Alcove hums but moves no water ({number})"
    mail["Message-ID"] = f"<{number}.{time.time_ns()}@mail.example>"
    mail["Date"] = "Sun, 22 Nov 2026 09:30:00 +0100"
    text = TEXT.format(number=number % 40, name=name)
    mail.set_content(text)
    if number % 2:
        paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
        mail.add_alternative(f"<html><body>{paragraphs}</body></html>", subtype="html")
    return mail.as_bytes()


def make_large(size: int) -> bytes:
    """A mail of about *size* bytes, most of it one attachment."""
    head = (
        f"From: Guest <guest@mail.example>\r\nTo: {BOX}\r\nSubject: Pictures\r\n"
        f"Message-ID: <{time.time_ns()}@mail.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=part\r\n\r\n--part\r\n\r\nSee below.\r\n--part\r\n"
        "Content-Type: application/zip\r\nContent-Disposition: attachment; filename=all.zip\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode()
    file = base64.encodebytes(os.urandom(size * 19 // 26)).replace(b"\n", b"\r\n")
    return head + file + b"--part--\r\n"


def store(mails: list[bytes]) -> None:
    """Keep them as the ways in do, each with a commit of its own."""
    for raw in mails:
        begin_write()
        receiving.store(raw, None, now=utcnow())
        db.session.commit()


def work() -> None:
    """Say that we are ready, wait for a line, read all that is due; tell the peak of memory."""
    share_one_heap()
    with create_app(has_pages=False).app_context():
        store([])
        print("ready", flush=True)
        sys.stdin.readline()
        read = inbound_email.process_due()
    status = Path("/proc/self/status").read_text()  # getrusage would tell of our parent, too
    print(read, status.partition("VmHWM:")[2].split()[0])


def read_by(workers: int) -> tuple[float, int, float]:
    """Let so many processes read what waits: seconds, mails, MB of the one that took most."""
    running = [
        subprocess.Popen(
            [*ITSELF, "--work"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(workers)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [one.communicate()[0].split() for one in running]
    seconds = time.perf_counter() - began
    return seconds, sum(int(t[0]) for t in told), max(int(t[1]) for t in told) / 1024


@contextmanager
def listener() -> Iterator[int]:
    """A mail listener; the port it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    environ = {**os.environ, "DESKHAND_LMTP_LISTEN": f"lmtp://127.0.0.1:{port}"}
    with subprocess.Popen([sys.executable, "-m", "app", "lmtp"], env=environ) as process:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, "the listener has ended"
                time.sleep(0.05)
        yield port
        process.terminate()


def deliver(port: int, mails: list[bytes]) -> None:
    """Hand them over, each acknowledged before the next is sent."""
    with smtplib.LMTP("127.0.0.1", port) as client:
        client.ehlo()
        for raw in mails:
            assert client.sendmail("guest@mail.example", [BOX], raw) == {}


def measure_parser(folder: Path) -> None:
    """The median mail below *folder*, in processor time on one core."""
    times = []
    for path in sorted(folder.rglob("*.eml")):
        raw = path.read_bytes()
        began = time.process_time()
        parsing.parse(raw)
        times.append(time.process_time() - began)
    median, mean = statistics.median(times), statistics.mean(times)
    print(
        f"parsing {len(times)} mails of {folder.name}: the median mail {1 / median:,.0f} a second,"
        f" all of them {1 / mean:,.0f}, the slowest {max(times) * 1000:.0f} ms"
    )


def measure(count: int) -> None:
    """All that needs a desk."""
    with create_app().app_context():
        for workers in (1, 2):
            store([make_mail(number) for number in range(count)])
            seconds, read, _ = read_by(workers)
            assert read == count, f"{read} of {count} mails were read"
            print(f"stored mails to tickets, {workers} worker(s): {count / seconds:.0f} a second")
        with listener() as port:
            lots = [[make_mail(number) for number in range(count // PEERS)] for _ in range(PEERS)]
            peers = [threading.Thread(target=deliver, args=(port, lot)) for lot in lots]
            began = time.perf_counter()
            for peer in peers:
                peer.start()
            for peer in peers:
                peer.join()
            seconds = time.perf_counter() - began
        print(f"LMTP to stored, {PEERS} peers: {count // PEERS * PEERS / seconds:.0f} a second")
        read_by(1)
        large = make_large(50_000_000)
        store([large])
        seconds, _, peak = read_by(1)
        print(f"a mail of {len(large) / 1e6:.0f} MB: {seconds:.1f} s, worker at most {peak:.0f} MB")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="mails of each measurement")
    parser.add_argument("--parse", type=Path, metavar="FOLDER", help="only parse the mails there")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
    elif options.parse:
        measure_parser(options.parse)
    else:
        measure(options.count)


if __name__ == "__main__":
    main()
