"""Errors that no input and no rule causes: the database, the disk or the bucket is away."""

from __future__ import annotations

import errno
import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

from app.core.blobs import StorageAway
from app.core.db import is_busy

DISK_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
    }
)


class Outage(StrEnum):
    """What has failed: trying again later helps, and nothing else."""

    BUSY = "busy"
    DATABASE = "database"
    DISK = "disk"
    STORAGE = "storage"


def outage(error: BaseException) -> Outage | None:
    """Which outage *error* tells of, if any."""
    if is_busy(error) or isinstance(error, TimeoutError):  # of the pool: all connections in use
        return Outage.BUSY
    if isinstance(error, StorageAway):
        return Outage.STORAGE
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return Outage.DISK
    if isinstance(error, DBAPIError):
        return _of_database(error)
    return None


def _of_database(error: DBAPIError) -> Outage | None:
    if error.connection_invalidated:
        return Outage.DATABASE
    if not isinstance(error, (OperationalError, InterfaceError)):
        return None
    # The primary code of SQLite, https://sqlite.org/rescode.html: 1 is a fault in our statement.
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_ERROR:
        return None
    full = code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
    return (
        Outage.DISK if full or getattr(error.orig, "sqlstate", "") == "53100" else Outage.DATABASE
    )
