"""Files named by their content in a bucket of Amazon S3, or of a server that speaks its language.

Objects have the names that files have in a folder (``ab/cdef…``), so that either can be copied
into the other by any tool.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.core.blobs import BATCH, DIGEST, PIECE, StorageAway, Stored, key_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore.store import ClientConfig, S3Config

ASIDE = "swept"  # where a sweep puts what nobody uses, until it has lain there as long again
MARK = "last-sweep"
ONE_PIECE = 5 << 20  # bytes; more are sent in several requests, as S3 wants it
CONNECT, ANSWER = timedelta(seconds=4), timedelta(seconds=30)  # for each request
TRIES_AGAIN = 2

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_message = re.compile(r"<Code>([^<]+)</Code>.*?<Message>([^<]+)</Message>", re.DOTALL)


class Bucket:
    """Bytes in a bucket, below a prefix."""

    def __init__(self, url: str) -> None:
        """*url* as the setting has it: ``s3://key:secret@host/bucket/prefix?region=…``."""
        parts = urlsplit(url)
        name, _, prefix = unquote(parts.path).strip("/").partition("/")
        host = parts.netloc.rpartition("@")[2]
        self._where = f"{name} on {host}"
        client: ClientConfig = {"connect_timeout": CONNECT, "timeout": ANSWER}
        if parts.scheme == "s3+http":
            client["allow_http"] = True
        if authority := os.environ.get("SSL_CERT_FILE"):  # as for mail servers
            try:
                client["root_certificate"] = Path(authority).read_bytes()
            except OSError as error:
                told = f"SSL_CERT_FILE cannot be read: {error.strerror}"
                raise StorageAway(errno.EIO, told) from error
        keys: S3Config = {}
        if parts.username and parts.password:  # else those of the environment or the machine
            keys["access_key_id"] = unquote(parts.username)
            keys["secret_access_key"] = unquote(parts.password)
        self._store = S3Store(
            name,
            prefix=prefix or None,
            endpoint=f"{'http' if parts.scheme == 's3+http' else 'https'}://{host}",
            region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
            virtual_hosted_style_request=False,
            client_options=client,
            retry_config={"max_retries": TRIES_AGAIN, "retry_timeout": ANSWER},
            config=keys,
        )

    @property
    def where(self) -> str:
        """As `Storage.where` says."""
        return self._where

    def put(self, source: IO[bytes]) -> Stored:
        """As `Storage.put` says. The bytes are read twice: their digest is their name."""
        start = source.tell()
        digest, size = hashlib.sha256(), 0
        while piece := source.read(PIECE):
            digest.update(piece)
            size += len(piece)
        source.seek(start)
        sha256 = digest.hexdigest()
        # Sent also where the bucket has it: young again, no sweep takes it before its row is
        # committed.
        with self._asked():
            if size <= ONE_PIECE:
                obstore.put(self._store, key_of(sha256), source.read(), use_multipart=False)
            else:
                pieces = iter(lambda: source.read(PIECE), b"")
                obstore.put(
                    self._store, key_of(sha256), pieces, chunk_size=ONE_PIECE, max_concurrency=2
                )
        return Stored(sha256, size)

    def open(self, sha256: str) -> IO[bytes]:
        """As `Storage.open` says; read piece by piece, each in a request of its own."""
        key = key_of(sha256)
        for name in (key, f"{ASIDE}/{key}"):
            if size := self._size(name):
                return io.BufferedReader(_Reader(self, name, size[0]), buffer_size=PIECE)
        raise FileNotFoundError(f"{key} is not in {self.where}")

    def sweep(self, used: Callable[[Sequence[str]], Collection[str]], *, before: datetime) -> int:
        """As `Storage.sweep` says.

        A bucket has no lock: the very bytes may be put again while they are found unused. So they
        are only put aside, where `open` still finds them, and a later sweep, when whatever ran
        meanwhile is over, asks once more and puts back what is used after all.
        """
        with self._asked():
            for names in self._old(f"{ASIDE}/", before):
                in_use = used(list(names))
                for digest, name in names.items():
                    if digest in in_use:
                        obstore.copy(self._store, name, key_of(digest))
                    obstore.delete(self._store, name)
            swept = 0
            for names in self._old("", before):
                in_use = used(list(names))
                for digest, name in names.items():
                    if digest not in in_use:
                        swept += self._put_aside(name)
        return swept

    def is_sweep_due(self, now: datetime, *, every: timedelta) -> bool:
        """As `Storage.is_sweep_due` says; rarely for two processes, which does no harm."""
        with self._asked():
            try:
                last = obstore.head(self._store, MARK)["last_modified"]
            except FileNotFoundError:
                last = None
            if last is not None and now - last < every:
                return False
            obstore.put(self._store, MARK, b"", use_multipart=False)
            return True

    def probe(self) -> None:
        """As `Storage.probe` says."""
        name = f"probe-{os.urandom(8).hex()}"
        with self._asked():
            obstore.put(self._store, name, b"probe", use_multipart=False)
            obstore.get(self._store, name).bytes()
            obstore.delete(self._store, name)

    def read_range(self, name: str, start: int, length: int) -> memoryview:
        """*length* bytes of an object.

        Raises:
            StorageAway: they cannot be had.
        """
        with self._asked():
            return memoryview(obstore.get_range(self._store, name, start=start, length=length))

    def _size(self, name: str) -> tuple[int] | None:
        """The size of an object, in a tuple; None where there is none."""
        with self._asked():
            try:
                return (obstore.head(self._store, name)["size"],)
            except FileNotFoundError:
                return None

    def _old(self, prefix: str, before: datetime) -> Iterator[dict[str, str]]:
        """Files below *prefix* from before *before*, their names by digest, in batches."""
        for batch in obstore.list(self._store, prefix or None, chunk_size=BATCH):
            old = [one["path"] for one in batch if one["last_modified"] < before]
            names = {name.removeprefix(prefix).replace("/", "", 1): name for name in old}
            if found := {key: name for key, name in names.items() if DIGEST.fullmatch(key)}:
                yield found

    def _put_aside(self, name: str) -> bool:
        try:
            obstore.rename(self._store, name, f"{ASIDE}/{name}")
        except FileNotFoundError:  # another sweep was quicker
            return False
        return True

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Say in words what the bucket's server says."""
        try:
            yield
        except (BaseError, OSError) as error:
            raise StorageAway(errno.EIO, f"{self.where}: {_words(error)}") from error


class _Reader(io.RawIOBase):
    """An object as a file."""

    def __init__(self, bucket: Bucket, name: str, size: int) -> None:
        self._bucket, self._name, self._size, self._at = bucket, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer).cast("B")
        piece = self._next(len(into))
        into[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return bytes(self._next(self._size))

    def _next(self, most: int) -> memoryview:
        length = min(most, self._size - self._at)
        if length <= 0:
            return memoryview(b"")
        piece = self._bucket.read_range(self._name, self._at, length)
        self._at += len(piece)
        return piece


@cache
def bucket_of(url: str) -> Bucket:
    """One for a process: it keeps its connections."""
    return Bucket(url)


def _words(error: Exception) -> str:
    """What the server says, without the library's notes for its own developers."""
    text = str(error).partition("\nDebug source:")[0]
    if told := _message.search(text):
        return f"{told[1]}: {told[2]}"[:300]
    line = text.partition("\n")[0].strip().removesuffix(":")
    return (line.partition(" - ")[2] or line)[:300]
