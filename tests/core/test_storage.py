"""Bytes named by their content: kept once, durable, swept only when nobody can miss them."""

from __future__ import annotations

import hashlib
import os
import threading
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from app.core.storage import Folder, storage_of
from app.settings import load


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "deep" / "attachments")


def files_in(store: Folder) -> list[str]:
    return sorted(str(p.relative_to(store.root)) for p in store.root.glob("*/*") if p.is_file())


def test_bytes_are_found_again_by_their_digest(store: Folder) -> None:
    stored = store.put(BytesIO(b"hello"))
    assert stored.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert stored.size == 5
    assert store.path(stored.sha256).read_bytes() == b"hello"
    assert files_in(store) == [f"{stored.sha256[:2]}/{stored.sha256[2:]}"]


def test_equal_bytes_are_kept_once_and_count_as_new(store: Folder) -> None:
    first = store.put(BytesIO(b"same"))
    os.utime(store.path(first.sha256), (1, 1))
    second = store.put(BytesIO(b"same"))
    assert first == second
    assert len(files_in(store)) == 1
    assert store.path(first.sha256).stat().st_mtime > 1_000_000


def test_a_file_cut_short_is_written_anew(store: Folder) -> None:
    stored = store.put(BytesIO(b"whole file"))
    store.path(stored.sha256).write_bytes(b"who")
    store.put(BytesIO(b"whole file"))
    assert store.path(stored.sha256).read_bytes() == b"whole file"


def test_a_source_that_breaks_off_leaves_nothing_behind(store: Folder) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("connection lost")
            return super().read(3)

    with pytest.raises(OSError, match="connection lost"):
        store.put(Broken(b"abcdef"))
    assert files_in(store) == []


def test_file_and_names_are_synced_before_put_returns(
    store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    folder = store.path(store.put(BytesIO(b"durable")).sha256).parent
    drafts = [i for i, name in enumerate(synced) if "/unfinished/" in name]
    assert len(drafts) == 1
    assert drafts[0] < synced.index(str(folder))
    assert str(store.root) in synced  # the new folder's own name
    assert str(store.root.parent) in synced


def test_a_large_file_is_never_wholly_in_memory(store: Folder, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(40_000_000)
    tracemalloc.start()
    with path.open("rb") as file:
        assert store.put(file).size == 40_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_many_at_once_agree_on_one_file(store: Folder) -> None:
    threads = [
        threading.Thread(target=lambda: store.put(BytesIO(b"race" * 1000))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files_in(store)) == 1


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 63 + "/", "a" * 64 + "\n"]
)
def test_no_path_is_made_of_anything_but_a_digest(store: Folder, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        store.path(name)


def test_sweep_takes_only_old_files_without_use(store: Folder) -> None:
    used, unused, young = (store.put(BytesIO(text)).sha256 for text in (b"used", b"old", b"young"))
    draft = store.root / "unfinished" / "left"
    draft.write_bytes(b"half")
    for path in (store.path(used), store.path(unused), draft):
        os.utime(path, (1, 1))
    asked: list[str] = []

    def in_use(digests: Sequence[str]) -> set[str]:
        asked.extend(digests)
        return {used}

    assert store.sweep(in_use, before=datetime.now(UTC) - timedelta(hours=1)) == 2
    assert store.path(used).exists()
    assert store.path(young).exists()
    assert not store.path(unused).exists()
    assert not draft.exists()
    assert sorted(asked) == sorted([used, unused])


def test_a_file_put_again_during_a_sweep_stays(store: Folder) -> None:
    sha256 = store.put(BytesIO(b"again")).sha256
    os.utime(store.path(sha256), (1, 1))

    def in_use(digests: Sequence[str]) -> set[str]:
        store.put(BytesIO(b"again"))
        return set()

    assert store.sweep(in_use, before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.path(sha256).exists()


def test_a_sweep_is_due_once_a_day(store: Folder) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    assert store.is_sweep_due(now, every=day)
    assert not store.is_sweep_due(now + timedelta(hours=23), every=day)
    assert store.is_sweep_due(now + timedelta(hours=25), every=day)


def test_the_folder_is_in_the_data_folder_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    environ = {"DESKHAND_DATA_DIR": str(tmp_path)}
    assert storage_of(load(environ)) == Folder(tmp_path / "attachments")
    environ["DESKHAND_STORAGE_URL"] = "file:///srv/all%20files"
    assert storage_of(load(environ)) == Folder(Path("/srv/all files"))
