"""The file of a backup: a tar archive whose last member says what is in it, with hashes.

``tables/<name>.jsonl.gz`` (see `app.backup.rows`), ``files/<SHA-256>`` for each attachment,
``secret_key`` unless it was left out, ``manifest.json``. An archive that was cut short has no
manifest, so it is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

MANIFEST = "manifest.json"
FORMAT = 1
PIECE = 1 << 20
_NAME = re.compile(r"tables/[a-z_]+\.jsonl\.gz|files/[0-9a-f]{64}|secret_key|manifest\.json")


class BrokenBackup(Exception):
    """The file is no backup, or not as it was written; the message says what is wrong."""


@dataclass
class Writer:
    """Adds members and remembers their hashes."""

    tar: tarfile.TarFile
    hashes: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, source: IO[bytes]) -> None:
        """Add what *source* holds, from where it stands to its end."""
        start = source.tell()
        digest = hashlib.sha256()
        while piece := source.read(PIECE):
            digest.update(piece)
        info = tarfile.TarInfo(name)
        info.size, info.mode = source.tell() - start, 0o600
        source.seek(start)
        self.tar.addfile(info, source)
        self.hashes[name] = digest.hexdigest()

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A member that is written piece by piece; it lies on the disk meanwhile."""
        with TemporaryFile(dir=Path(str(self.tar.name)).parent) as draft:
            yield draft
            draft.seek(0)
            self.add(name, draft)

    def finish(self, about: dict[str, Any]) -> None:
        """Write the manifest: *about* and the hashes."""
        manifest = {"format": FORMAT, **about, "sha256": self.hashes}
        self.add(MANIFEST, io.BytesIO(json.dumps(manifest, indent=1).encode()))


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Each member's name with its bytes, in the order of the archive. Reading may raise as below.

    Raises:
        BrokenBackup: it holds something else.
        tarfile.TarError: no archive, or cut short.
    """
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            source = tar.extractfile(info) if info.isreg() else None
            if source is None or not _NAME.fullmatch(info.name):
                raise BrokenBackup(f"{path} holds something that no backup has: {info.name!r}")
            yield info.name, source


def check(path: Path) -> dict[str, Any]:
    """Read the whole file and compare every hash. Returns the manifest.

    Raises:
        BrokenBackup: something is missing or not as it was written.
    """
    try:
        manifest, found = _read(path)
    except (tarfile.TarError, EOFError) as error:
        raise BrokenBackup(f"{path} is no backup, or was cut short: {error}") from None
    if not manifest:
        raise BrokenBackup(f"{path} was cut short: its end is missing")
    if manifest.get("format") != FORMAT:
        raise BrokenBackup(f"{path} was made by another version of Deskhand; use that one")
    wanted = manifest["sha256"]
    if wrong := sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name)):
        raise BrokenBackup(f"{path} is damaged: {', '.join(wrong[:3])} is not what was written")
    return manifest


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The manifest ({} where there is none), and the hashes of all other members."""
    manifest: dict[str, Any] = {}
    found: dict[str, str] = {}
    for name, source in members(path):
        if name == MANIFEST:
            manifest = json.load(source)
            continue
        digest = hashlib.sha256()
        while piece := source.read(PIECE):
            digest.update(piece)
        found[name] = digest.hexdigest()
    return manifest, found
