"""Files named by their content, on disk for good before a database row may name them."""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from flask import current_app

from app.core.blobs import BATCH, DIGEST, PIECE, Stored, key_of
from app.settings import Settings


class Storage(Protocol):
    """Where bytes are kept: a folder (`Folder`), or a bucket (`app.core.bucket.Bucket`)."""

    @property
    def where(self) -> str:
        """The place in words, without secrets."""

    def put(self, source: IO[bytes]) -> Stored:
        """Keep what *source* yields from where it stands; equal bytes are kept once.

        When this returns, the bytes survive a power cut.

        Raises:
            OSError: they could not be kept.
        """

    def open(self, sha256: str) -> IO[bytes]:
        """The bytes, to be read and sought in.

        Raises:
            FileNotFoundError: nobody has them.
            OSError: they cannot be read.
            ValueError: *sha256* is no digest (it may come from outside: never join it unchecked).
        """

    def sweep(self, used: Callable[[Sequence[str]], Collection[str]], *, before: datetime) -> int:
        """Delete what was put before *before* (aware) and nobody uses. Returns how many.

        A file without a row stays from a form that was never sent again, or from a transaction
        that failed; a young one may belong to a transaction that is still running.

        Args:
            used: which of some digests are in use.
        """

    def is_sweep_due(self, now: datetime, *, every: timedelta) -> bool:
        """True for one process each time that *every* has passed since it last was."""

    def probe(self) -> None:
        """Write a few bytes, read them and take them away again.

        Raises:
            OSError: something of that is not possible.
        """


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of files ``ab/cdef…``, named by the SHA-256 of what is in them."""

    root: Path

    @property
    def where(self) -> str:
        """As `Storage.where` says."""
        return str(self.root)

    def put(self, source: IO[bytes]) -> Stored:
        """As `Storage.put` says: the file and its name are on the disk afterwards."""
        with self._unfinished() as (descriptor, draft):
            digest, size = hashlib.sha256(), 0
            while piece := source.read(PIECE):
                size += len(piece)
                digest.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            sha256 = digest.hexdigest()
            path = self.path(sha256)
            os.fsync(descriptor)
            _make_folder(path.parent)
            with self._alone():
                if _has_size(path, size):
                    os.utime(path)  # young again: no sweep takes it before its row is committed
                else:
                    draft.replace(path)
        # Also for a file that was there: whoever put it there may not have come this far yet.
        _sync_folder(path.parent)
        return Stored(sha256, size)

    def open(self, sha256: str) -> IO[bytes]:
        """As `Storage.open` says."""
        return self.path(sha256).open("rb")

    def path(self, sha256: str) -> Path:
        """Where these bytes are, or would be."""
        return self.root / key_of(sha256)

    def sweep(self, used: Callable[[Sequence[str]], Collection[str]], *, before: datetime) -> int:
        """As `Storage.sweep` says."""
        last = before.timestamp()
        old = (path for path in self.root.glob("*/*") if _put_at(path) < last)
        swept = 0
        while batch := list(islice(old, BATCH)):
            digests = {path.parent.name + path.name: path for path in batch}
            in_use = used([name for name in digests if DIGEST.fullmatch(name)])
            for name, path in digests.items():
                if name not in in_use:
                    swept += self._delete(path, before=last)
        return swept

    def is_sweep_due(self, now: datetime, *, every: timedelta) -> bool:
        """As `Storage.is_sweep_due` says."""
        _make_folder(self.root)
        mark = self.root / "swept"
        with self._alone():
            if mark.exists() and now.timestamp() - mark.stat().st_mtime < every.total_seconds():
                return False
            mark.touch()
            os.utime(mark, (now.timestamp(), now.timestamp()))
            return True

    def probe(self) -> None:
        """As `Storage.probe` says."""
        with self._unfinished() as (descriptor, draft):
            os.write(descriptor, b"probe")
            os.fsync(descriptor)
            draft.read_bytes()

    def _delete(self, path: Path, *, before: float) -> bool:
        """Delete a file unless it was put again meanwhile."""
        with self._alone():
            if _put_at(path) >= before:
                return False
            path.unlink()
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Between finding a file and making it young, or finding it old and deleting it."""
        descriptor = os.open(self.root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _unfinished(self) -> Iterator[tuple[int, Path]]:
        """A new file beside its later place; gone afterwards unless it was moved there."""
        folder = self.root / "unfinished"
        _make_folder(folder)
        descriptor, name = mkstemp(dir=folder)
        try:
            yield descriptor, Path(name)
        finally:
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)


def storage() -> Storage:
    """The storage of the running application."""
    return storage_of(current_app.extensions["settings"])


def storage_of(settings: Settings) -> Storage:
    """What ``STORAGE_URL`` names (``file:///srv/files`` or ``s3://``), else the data folder's."""
    url = settings.storage_url
    if url is None:
        return Folder(settings.data_dir / "attachments")
    if urlsplit(url).scheme == "file":
        return Folder(Path(unquote(urlsplit(url).path)))
    # Loaded where it is used: with its library it takes 10 MB.
    from app.core.bucket import bucket_of

    return bucket_of(url)


def _has_size(path: Path, size: int) -> bool:
    """False also for a file that a broken disk cut short: it is then written anew."""
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _put_at(path: Path) -> float:
    """When a file was last put; for one that has just gone: not yet."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _make_folder(folder: Path) -> None:
    """Make *folder* and those above it; their names are on disk afterwards."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
