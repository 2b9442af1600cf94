"""The Redis that comes along."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.process import bundled_redis
from tests import servers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """A running server with the path of its socket and its folder."""
    socket_path = tmp_path / "run" / "redis.sock"
    folder = tmp_path / "redis"
    command = bundled_redis.command(
        bundled_redis.find_server(), socket_path=socket_path, folder=folder
    )
    process = subprocess.Popen(command)
    assert servers.redis_answers(socket_path)
    yield process, socket_path, folder
    process.terminate()
    process.wait(timeout=30)


def test_only_this_user_can_reach_it(
    server: tuple[subprocess.Popen[bytes], Path, Path],
) -> None:
    process, socket_path, folder = server
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert _listening_ports(process.pid) == []


def test_it_starts_after_a_kill_whatever_lies_in_its_folder(
    server: tuple[subprocess.Popen[bytes], Path, Path],
) -> None:
    process, socket_path, folder = server
    process.kill()
    process.wait()
    assert [path.name for path in folder.iterdir()] == ["redis.log"]
    (folder / "appendonlydir").mkdir()
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("damaged")
    command = bundled_redis.command(
        bundled_redis.find_server(), socket_path=socket_path, folder=folder
    )
    again = subprocess.Popen(command)
    try:
        assert servers.redis_answers(socket_path)
    finally:
        again.terminate()
        assert again.wait(timeout=30) == 0


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.symlink_to(tmp_path)
    with pytest.raises(bundled_redis.RedisUnavailable, match="not a folder of this user"):
        bundled_redis.command(
            Path("redis-server"), socket_path=planted / "redis.sock", folder=tmp_path / "redis"
        )


def test_without_any_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(bundled_redis, "CARRIERS", {})
    with pytest.raises(bundled_redis.RedisUnavailable, match="DESKHAND_REDIS_URL"):
        bundled_redis.find_server()


def test_one_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bundled_redis.find_server() == program


def _listening_ports(pid: int) -> list[str]:
    """TCP sockets of a process in state LISTEN (0A), from the tables of Linux."""
    links = (os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd"))
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
