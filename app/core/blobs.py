"""Bytes named by their content: what a folder of them and a bucket have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass

PIECE = 1 << 20  # bytes in memory at once
BATCH = 500  # files that a sweep asks about at once

DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes in the storage: their SHA-256 in hex, and how many they are."""

    sha256: str
    size: int


class StorageAway(OSError):
    """The bucket does not answer, or not to us; ``strerror`` says it in words."""


def key_of(sha256: str) -> str:
    """The name of these bytes in the storage.

    Raises:
        ValueError: *sha256* is no digest.
    """
    if not DIGEST.fullmatch(sha256):
        raise ValueError("not a SHA-256 in hex")
    return f"{sha256[:2]}/{sha256[2:]}"
