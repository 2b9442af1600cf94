"""Starts the parts of Deskhand, starts again what dies, and stops them all.

Single-threaded and small on purpose: it watches over everything else, so it must not fail itself.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

FIRST_PAUSE = 0.5  # seconds before the first restart; doubles with each death
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0  # a part that lived this long starts with the first pause again
HURRY_AFTER = 1.0  # seconds; shells and timeout(1) send one wish twice in an instant
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Part:
    """One process: its name in messages, its command, and when it is stopped.

    Parts stop in rounds: all of round 0 first, then round 1 (what the others rely on).
    ``stop_seconds`` is how long its round may take before it is killed.
    """

    name: str
    command: Sequence[str]
    stop_round: int = 0
    stop_seconds: float = 7.0


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0  # one after the other, without a healthy life between
    start_at: float = 0.0  # when to start it again, while it is down


def say(text: str) -> None:
    """Tell the person or the log that started us one line."""
    sys.stderr.write(f"deskhand: {text}\n")
    sys.stderr.flush()


@dataclass
class Supervisor:
    """Keeps parts running until it is told to stop (SIGTERM, SIGINT, or ``stop()``)."""

    _parts: list[_Running] = field(default_factory=list)
    _told_at: float = 0.0  # when the first signal came
    _hurried: bool = False

    def __enter__(self) -> Supervisor:
        """Take over the signals; a signal from now on ends the next ``wait``."""
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        # Without a handler of its own a child's death would not wake us.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every part, whatever happened."""
        self.stop()
        signal.set_wakeup_fd(-1)
        self._wake.close()
        self._waker.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._told_at:
            self._told_at = time.monotonic()
        elif time.monotonic() - self._told_at > HURRY_AFTER:
            self._hurried = True

    @property
    def told_to_stop(self) -> bool:
        """True once a signal asked us to end."""
        return self._told_at > 0

    def start(self, part: Part) -> None:
        """Start a part and keep it running from now on."""
        running = _Running(part)
        self._parts.append(running)
        self._launch(running)

    def complete(self, command: Sequence[str]) -> int:
        """Run a command to its end beside the parts; return its exit status.

        A signal to us stops it.
        """
        process = self._popen(command)
        while process.poll() is None and not self.told_to_stop:
            self.look_after()
            self._wait(0.5)
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)
        return process.wait()

    def run(self) -> None:
        """Watch over the parts until told to stop."""
        while not self.told_to_stop:
            self.look_after()
            self._wait(self._next_start() - time.monotonic())

    def wait_for(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Watch over the parts until *ready*; False if that takes too long or we are to stop."""
        deadline = time.monotonic() + seconds
        while not self.told_to_stop and time.monotonic() < deadline:
            if ready():
                return True
            self.look_after()
            self._wait(0.02)
        return False

    def look_after(self) -> None:
        """Notice the dead, and start again those whose pause is over."""
        for running in self._parts:
            if running.process is None:
                if time.monotonic() >= running.start_at:
                    self._launch(running)
            elif (status := running.process.poll()) is not None:
                self._bury(running, status)

    def _bury(self, running: _Running, status: int) -> None:
        """Plan the next start of a part that has died."""
        if time.monotonic() - running.started >= HEALTHY_AFTER:
            running.deaths = 0
        pause = min(FIRST_PAUSE * 2**running.deaths, LONGEST_PAUSE)
        running.deaths += 1
        running.start_at = time.monotonic() + pause
        if running.process is not None:
            _signal_group(running.process, signal.SIGKILL)  # what it may have left behind
        running.process = None
        say(f"{running.part.name} {_how_it_ended(status)}; starting it again in {pause:g} s")

    def _next_start(self) -> float:
        due = [running.start_at for running in self._parts if running.process is None]
        return min(due, default=time.monotonic() + 60)

    def _launch(self, running: _Running) -> None:
        running.process = self._popen(running.part.command)
        running.started = time.monotonic()

    def _popen(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        supervisor = os.getpid()
        # A group of its own: Ctrl-C reaches us alone, and we stop the parts in order.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=lambda: die_with(supervisor),
        )

    def _wait(self, seconds: float) -> None:
        """Sleep until a signal comes or *seconds* are over."""
        if select.select([self._wake], [], [], max(0.0, seconds))[0]:
            with suppress(BlockingIOError):
                self._wake.recv(4096)

    def stop(self) -> None:
        """Stop all parts, round by round; kill what takes too long.

        A second signal, a moment after the first, kills at once.
        """
        for number in sorted({running.part.stop_round for running in self._parts}):
            self._stop_round([r for r in self._parts if r.part.stop_round == number])
        self._parts.clear()

    def _stop_round(self, parts: list[_Running]) -> None:
        alive = [(r.part, r.process) for r in parts if r.process and r.process.poll() is None]
        for _, process in alive:
            with suppress(ProcessLookupError):
                process.terminate()  # the head of a group stops its own children
        deadline = time.monotonic() + max((part.stop_seconds for part, _ in alive), default=0)
        while any(process.poll() is None for _, process in alive):
            if time.monotonic() >= deadline or self._hurried:
                break
            self._wait(min(0.1, max(0.0, deadline - time.monotonic())))
        for part, process in alive:
            if process.poll() is None:
                say(f"{part.name} did not stop in time; killing it")
            _signal_group(process, signal.SIGKILL)
            process.wait()


def die_with(parent: int) -> None:
    """Ask the kernel to send this process SIGTERM when the process *parent* ends.

    Runs in the child. On systems other than Linux nothing happens: there a supervisor that is
    killed by SIGKILL leaves its parts running.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal every process of the part's group; the group may be gone already."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"
