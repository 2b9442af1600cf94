"""The supervisor, with real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Parts that note the ids of their processes and live on: one that does no more, one that takes a
# second to stop and notes that it did, and one that has to be killed.
NOTES_ITSELF = "print(os.getpid(), file=open({notes!r}, 'a'), flush=True); time.sleep(60)"
LIVES = "import os, time; " + NOTES_ITSELF
SLOW_TO_STOP = (
    "import os,signal,sys,time\n"
    "def end(*_):\n"
    "    time.sleep(1); print(0, file=open({notes!r}, 'a'), flush=True); sys.exit()\n"
    "signal.signal(signal.SIGTERM, end)\n" + NOTES_ITSELF
)
STUBBORN = "import os,signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + NOTES_ITSELF


class Tree:
    """A Python process that supervises the given parts, and what it said.

    It hurries where a second wish comes more than *hurry_after* seconds after the first.
    """

    def __init__(self, folder: Path, parts: str, hurry_after: float = 1.0) -> None:
        self.output = folder / "output"
        program = textwrap.dedent(
            """
            import sys
            from app.process import supervisor
            from app.process.supervisor import Part, Supervisor
            supervisor.HURRY_AFTER = {hurry_after}
            def part(name, code, **how):
                return Part(name, (sys.executable, "-c", code), **how)
            with Supervisor() as watching:
                for one in [{parts}]:
                    watching.start(one)
                watching.run()
            """
        ).format(parts=parts, hurry_after=hurry_after)
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program], cwd=ROOT, stdout=file, stderr=file
            )

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal the supervisor; return the seconds that it took to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return time.monotonic() - began


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    trees: list[Tree] = []

    def start(parts: str, **how: float) -> Tree:
        trees.append(Tree(tmp_path, parts, **how))
        return trees[-1]

    yield start
    for one in trees:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait(timeout=60)


def pids(notes: Path, count: int) -> list[int]:
    """The processes that wrote their id, once there are *count* of them."""

    def noted() -> list[int]:
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    wait_until(lambda: len(noted()) >= count)
    return noted()


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """True while a process runs; one that ended but was not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_a_killed_part_starts_again_after_a_growing_pause(
    tmp_path: Path, tree: Callable[..., Tree]
) -> None:
    notes = tmp_path / "notes"
    supervising = tree(f"part('clerk', {LIVES.format(notes=str(notes))!r})")
    for count in (1, 2, 3):
        os.kill(pids(notes, count)[-1], signal.SIGKILL)
    assert lives(pids(notes, 4)[-1])
    said = supervising.output.read_text()
    pauses = re.findall(r"clerk was killed by SIGKILL; starting it again in ([\d.]+) s", said)
    assert [float(pause) for pause in pauses] == [0.5, 1, 2]


def test_a_part_that_ends_by_itself_starts_again(tmp_path: Path, tree: Callable[..., Tree]) -> None:
    notes = tmp_path / "notes"
    ends = f"open({str(notes)!r}, 'a').write('1\\n'); raise SystemExit(3)"
    supervising = tree(f"part('clerk', {ends!r})")
    pids(notes, 2)
    assert "clerk ended with exit status 3" in supervising.output.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_all_parts_and_ends_well(
    tmp_path: Path, tree: Callable[..., Tree], number: signal.Signals
) -> None:
    notes = tmp_path / "notes"
    code = LIVES.format(notes=str(notes))
    supervising = tree(f"part('one', {code!r}), part('two', {code!r})")
    started = pids(notes, 2)
    supervising.stop(number)
    assert supervising.process.returncode == 0
    assert "did not stop in time" not in supervising.output.read_text()
    assert not any(map(lives, started))


def test_a_part_that_will_not_stop_is_killed_with_its_children_within_ten_seconds(
    tmp_path: Path, tree: Callable[..., Tree]
) -> None:
    notes = tmp_path / "notes"
    stubborn = STUBBORN.format(notes=str(notes)).replace("print(", "os.fork(); print(")
    supervising = tree(f"part('mule', {stubborn!r})")
    started = pids(notes, 2)
    assert 5 < supervising.stop() < 20
    assert "mule did not stop in time" in supervising.output.read_text()
    wait_until(lambda: not any(map(lives, started)))


def test_the_same_signal_twice_in_an_instant_is_one_wish(
    tmp_path: Path, tree: Callable[..., Tree]
) -> None:
    notes = tmp_path / "notes"
    slow = SLOW_TO_STOP.format(notes=str(notes))
    supervising = tree(f"part('slow', {slow!r})", hurry_after=60)  # this machine may be busy
    pids(notes, 1)
    supervising.process.terminate()
    supervising.stop()
    assert pids(notes, 2)[1] == 0


def test_a_second_wish_hurries(tmp_path: Path, tree: Callable[..., Tree]) -> None:
    notes = tmp_path / "notes"
    mule = STUBBORN.format(notes=str(notes))
    supervising = tree(f"part('mule', {mule!r})", hurry_after=0)
    started = pids(notes, 1)
    supervising.process.terminate()
    time.sleep(1.2)  # or both would be taken for one
    assert supervising.stop() < 5
    wait_until(lambda: not any(map(lives, started)))


def test_what_others_rely_on_stops_last(tmp_path: Path, tree: Callable[..., Tree]) -> None:
    notes = tmp_path / "notes"
    says_goodbye = (
        "import signal,sys,time\n"
        "def end(*_):\n"
        "    time.sleep({pause}); open({notes!r},'a').write('{number}\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open({notes!r},'a').write('0\\n')\n"
        "time.sleep(60)"
    )
    base = says_goodbye.format(notes=str(notes), number=2, pause=0)
    slow = says_goodbye.format(notes=str(notes), number=1, pause=0.5)
    supervising = tree(f"part('base', {base!r}, stop_round=1), part('slow', {slow!r})")
    pids(notes, 2)
    supervising.stop()
    assert pids(notes, 4) == [0, 0, 1, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl(2) of Linux")
def test_no_part_outlives_a_killed_supervisor(tmp_path: Path, tree: Callable[..., Tree]) -> None:
    notes = tmp_path / "notes"
    supervising = tree(f"part('clerk', {LIVES.format(notes=str(notes))!r})")
    started = pids(notes, 1)
    supervising.stop(signal.SIGKILL)
    wait_until(lambda: not lives(started[0]))
