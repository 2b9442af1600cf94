"""Reports: a month's page against the floor's, and the memory that an export of all tickets needs.

``python -m benchmarks.reports --help``
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import threading
import time
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir

from app.core.clock import utcnow
from benchmarks import desk
from benchmarks.client import Browser

MOST = 250  # times the floor's page
EVERYTHING = "/reports/tickets.csv?measure=created&start=2020-01-01&end=2029-12-01"


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=15, help="how often each page is asked for")
    parser.add_argument("--folder", type=Path, default=Path(gettempdir()) / "deskhand-benchmark")
    options = parser.parse_args()
    folder = desk.prepare(options.folder, options.tickets)
    with desk.floor(folder) as floor, desk.desk(folder) as (port, pid):
        browser = Browser(port)
        browser.sign_in("supervisor@demo.example", desk.PASSWORD)
        print(f"| page | p50 ms | times the floor, at most {MOST} |\n| --- | --: | --: |")
        _time(port, "/reports/", browser.headers)  # the library is loaded
        _time(port, "/reports/", browser.headers)
        anew, again, floors = [], [], []
        for back in range(options.times):
            # In turn with the floor, so that what else the machine does hits both.
            floors += [_time(floor, "/", {}) for _ in range(5)]
            last = utcnow().date() - timedelta(days=back)
            path = f"/reports/?start={last - timedelta(days=30)}&end={last}"
            anew.append(_time(port, path, browser.headers))
            again += [_time(port, path, browser.headers) for _ in range(4)]
        bare = statistics.median(floors)
        for name, times in (("a month, made anew", anew), ("the same month again", again)):
            page = statistics.median(times)
            print(f"| {name} | {page * 1000:.0f} | {page / bare:.0f} |", flush=True)
        _export(port, pid, browser.headers)


def _time(port: int, path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200, f"{path} answered {answer.status}"
    return time.perf_counter() - began


def _export(port: int, pid: int, headers: dict[str, str]) -> None:
    """Read everything as CSV while the processes are weighed."""
    before = sum(desk.weigh(pid).values())
    peak, ends = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ends.wait(0.1):
            peak = max(peak, sum(desk.weigh(pid).values()))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", EVERYTHING, headers=headers)
    answer = connection.getresponse()
    lines = first = 0.0
    while piece := answer.read(1 << 16):
        first = first or time.perf_counter() - began
        lines += piece.count(b"\r\n")
    ends.set()
    watching.join()
    print(
        f"export of {lines - 1:,.0f} tickets: {time.perf_counter() - began:.1f} s, the first after"
        f" {first:.2f} s, {peak - before:.0f} MB more memory (PSS of all processes)"
    )


if __name__ == "__main__":
    main()
