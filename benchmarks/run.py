"""Runs the benchmarks and prints a table: ``python -m benchmarks.run --help``."""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from benchmarks import desk
from benchmarks.client import HAS_WRK, Browser, Measured, measure, post_by_api, post_tickets

# Page: the least part of the floor's requests per second, and the part aimed at.
TARGETS = {
    "queue": (0.22, 0.45),
    "ticket": (0.20, 0.30),
    "search": (0.25, 0.40),
    "list by API": (0.20, 0.30),
}
WORDS = (
    *("gasket", "siphon", "impeller", "thermostat", "coupling", "bakery", "classroom", "canteen"),
    *("hinge", "reflector", "studio", "lobby"),
)


@dataclass(frozen=True)
class Cell:
    """A page with 1 and with 8 clients."""

    one: Measured
    eight: Measured


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each cell")
    parser.add_argument("--rounds", type=int, default=1, help="of all pages; medians are shown")
    parser.add_argument("--only", nargs="+", default=["pages", "create", "mail"])
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(gettempdir()) / "deskhand-benchmark",
        help="where demo data is kept between two runs",
    )
    options = parser.parse_args()
    if not HAS_WRK:
        print("wrk is not installed: measuring with a slower client of our own")
    made = {count: desk.prepare(options.folder, count) for count in options.tickets}
    if "pages" in options.only:
        _pages(made, options.seconds, options.rounds)
    for count, folder in made.items():
        if "create" in options.only:
            _create(count, desk.copy(folder, options.folder), options.seconds)
        if "mail" in options.only:
            _mail(count, desk.copy(folder, options.folder))


def _pages(made: dict[int, Path], seconds: float, rounds: int) -> None:
    """Floor and pages in turn, so that what else the machine does hits them alike."""
    found: dict[int, dict[str, list[Cell]]] = {}
    for _ in range(rounds):
        for count, folder in made.items():
            cells = found.setdefault(count, {})
            with desk.floor(folder) as port:
                for name, path in (("hello", "/hello"), ("floor", "/")):
                    cells.setdefault(name, []).append(_cell(port, path, seconds, {}))
            token = desk.token(folder)
            with desk.desk(folder) as (port, pid):
                browser = Browser(port)
                browser.sign_in("agent1@demo.example", desk.PASSWORD)
                for name, path in _paths(folder / "deskhand.db").items():
                    cell = _cell(port, path, seconds, browser.headers)
                    cells.setdefault(name, []).append(cell)
                by_token = {"Authorization": f"Bearer {token}"}
                cell = _cell(port, "/api/v1/tickets", seconds, by_token)
                cells.setdefault("list by API", []).append(cell)
                weights = desk.weigh(pid)
            print(
                f"{count:,} tickets, memory after the load (PSS, MB): {sum(weights.values()):.0f} ("
                + ", ".join(f"{name} {size:.0f}" for name, size in weights.items())
                + ")",
                flush=True,
            )
    _table(found)


def _paths(database: Path) -> dict[str, str]:
    """The queue with its counts, a ticket with six comments, a word in a hundredth of all."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        (tickets,) = connection.execute("select count(*) from ticket").fetchone()
        (number,) = connection.execute(
            "select t.number from ticket t join comment c on c.ticket_id = t.id"
            " where t.deleted_at is null and t.merged_into_id is null"
            " and coalesce(t.group_id, 0) not in (select id from agent_group where is_private)"
            " group by t.id having count(*) = 6"
            " order by t.status in ('open', 'in_progress') desc, t.id desc limit 1"
        ).fetchone()
        hits = {
            word: connection.execute(
                "select count(*) from search_ticket where search_ticket match ?", (word,)
            ).fetchone()[0]
            for word in WORDS
        }
    word = min(hits, key=lambda each: abs(hits[each] - tickets / 100))
    print(f"search for “{word}”: in {hits[word]:,} of {tickets:,} tickets", flush=True)
    return {
        "queue": "/desk/",
        "ticket": f"/desk/tickets/{number}",
        "search": f"/desk/search?q={word}",
    }


def _cell(port: int, path: str, seconds: float, headers: dict[str, str]) -> Cell:
    def ask(clients: int) -> Measured:
        return measure(port, path, clients=clients, seconds=seconds, headers=headers, expect=200)

    return Cell(ask(1), ask(8))


def _table(found: dict[int, dict[str, list[Cell]]]) -> None:
    def middle(count: int, name: str, pick: Callable[[Cell], float]) -> float:
        return statistics.median(pick(cell) for cell in found[count][name])

    smallest = min(found)
    print(
        "\n| tickets | page | p50 ms | p99/p50 | rate, 8 | of floor: 1 / 8 | must / aim | growth |"
    )
    print("| --: | --- | --: | --: | --: | --: | --: | --: |")
    for count, cells in found.items():
        for name in cells:
            p50 = middle(count, name, lambda cell: cell.one.p50)
            tail = middle(count, name, lambda cell: cell.one.p99 / cell.one.p50)
            rate = middle(count, name, lambda cell: cell.eight.rate)
            one = middle(count, "floor", lambda cell: cell.one.p50) / p50
            eight = rate / middle(count, "floor", lambda cell: cell.eight.rate)
            goal = " / ".join(f"{part:.2f}" for part in TARGETS.get(name, ()))
            growth = p50 / middle(smallest, name, lambda cell: cell.one.p50)
            print(
                f"| {count:,} | {name} | {p50:.2f} | {tail:.1f} | {rate:,.0f}"
                f" | {one:.2f} / {eight:.2f} | {goal} | {growth:.2f} |"
            )
    print(flush=True)


def _create(count: int, folder: Path, seconds: float) -> None:
    token = desk.token(folder)
    with desk.desk(folder) as (port, pid):
        post_tickets(port, clients=2, seconds=1)
        found = post_tickets(port, clients=8, seconds=max(seconds, 5))
        post_by_api(port, token, clients=2, seconds=1)
        by_api = post_by_api(port, token, clients=8, seconds=max(seconds, 5))
        weights = desk.weigh(pid)
    with sqlite3.connect(folder / "deskhand.db") as connection:
        (made,) = connection.execute("select count(*) from ticket").fetchone()
        (held,) = connection.execute(
            "select count(*) from ticket where id > ? and assignee_id is not null", (count,)
        ).fetchone()
    print(
        f"creation by form at {count:,} tickets, 8 clients: {found.rate:.0f} a second,"
        f" p50 {found.p50:.0f} ms, p99 {found.p99:.0f} ms"
        f" ({made - count:,} tickets, {held:,} assigned); memory {sum(weights.values()):.0f} MB\n"
        f"creation by API: {by_api.rate:.0f} a second, p50 {by_api.p50:.0f} ms,"
        f" p99 {by_api.p99:.0f} ms",
        flush=True,
    )


def _mail(count: int, folder: Path) -> None:
    print(f"mail at {count:,} tickets:", flush=True)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.mail"],
        cwd=desk.ROOT,
        env=desk.environ(folder),
        check=True,
    )


if __name__ == "__main__":
    main()
