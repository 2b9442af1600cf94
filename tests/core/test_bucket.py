"""Files in a bucket, on a real server that speaks S3."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO

import obstore
import pytest

from app.core.blobs import StorageAway
from app.core.bucket import Bucket
from app.core.storage import Folder, storage_of
from app.settings import SettingsError, load
from tests.core.bucket_server import BucketServer, bucket_server


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with bucket_server() as running:
        yield running


@pytest.fixture
def bucket(server: BucketServer) -> Iterator[Bucket]:
    """An empty one."""
    found = Bucket(server.url)
    yield found
    obstore.delete(found._store, names(found))


def names(bucket: Bucket) -> list[str]:
    return sorted(one["path"] for batch in obstore.list(bucket._store) for one in batch)


def soon() -> datetime:
    """When everything that is there is old."""
    return datetime.now(UTC) + timedelta(minutes=1)


def nobody(_: Sequence[str]) -> set[str]:
    return set()


@pytest.mark.parametrize("size", [0, 5, 11 << 20])
def test_bytes_are_found_again_by_their_digest(bucket: Bucket, size: int) -> None:
    data = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    stored = bucket.put(BytesIO(data))
    assert (stored.sha256, stored.size) == (hashlib.sha256(data).hexdigest(), size)
    with bucket.open(stored.sha256) as source:
        assert source.read() == data
    assert names(bucket) == [f"{stored.sha256[:2]}/{stored.sha256[2:]}"]


def test_what_was_read_of_a_source_is_left_out(bucket: Bucket) -> None:
    source = BytesIO(b"head and body")
    source.seek(9)
    assert bucket.open(bucket.put(source).sha256).read() == b"body"


def test_a_part_is_read_without_the_rest(bucket: Bucket) -> None:
    with bucket.open(bucket.put(BytesIO(b"0123456789")).sha256) as source:
        source.seek(4)
        assert source.read(3) == b"456"
        source.seek(-2, 2)
        assert source.read() == b"89"


def test_many_at_once_agree_on_one_object(bucket: Bucket) -> None:
    threads = [threading.Thread(target=bucket.put, args=(BytesIO(b"race"),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(bucket)) == 1


def test_what_nobody_has_put_is_not_there(bucket: Bucket) -> None:
    with pytest.raises(FileNotFoundError):
        bucket.open("a" * 64)
    with pytest.raises(ValueError, match="SHA-256"):
        bucket.open("../secret_key")


def test_a_sweep_takes_only_old_objects_without_use(bucket: Bucket) -> None:
    used, unused = (bucket.put(BytesIO(text)).sha256 for text in (b"used", b"unused"))
    assert bucket.sweep(nobody, before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert bucket.sweep(lambda _: {used}, before=soon()) == 1
    bucket.sweep(lambda _: {used}, before=soon())
    assert bucket.open(used).read() == b"used"
    with pytest.raises(FileNotFoundError):
        bucket.open(unused)
    assert len(names(bucket)) == 1


def test_what_a_sweep_took_while_it_came_into_use_is_never_missed(bucket: Bucket) -> None:
    """Its row was committed between the sweep's question and its deleting."""
    sha256 = bucket.put(BytesIO(b"late")).sha256
    assert bucket.sweep(nobody, before=soon()) == 1
    assert bucket.open(sha256).read() == b"late"
    bucket.sweep(lambda _: {sha256}, before=soon())
    assert names(bucket) == [f"{sha256[:2]}/{sha256[2:]}"]


def test_a_sweep_is_due_once_a_day(bucket: Bucket) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    assert bucket.is_sweep_due(now, every=day)
    assert not bucket.is_sweep_due(now + timedelta(hours=23), every=day)
    assert bucket.is_sweep_due(now + timedelta(hours=25), every=day)


def test_a_probe_leaves_nothing(bucket: Bucket) -> None:
    bucket.probe()
    assert names(bucket) == []


def test_a_server_that_is_away_is_told_in_words() -> None:
    with bucket_server() as server:
        bucket = Bucket(server.url)
        stored = bucket.put(BytesIO(b"here"))
        opened = bucket.open(stored.sha256)
        server.stop()
        for ask in (
            lambda: bucket.put(BytesIO(b"here")),
            lambda: bucket.open(stored.sha256),
            lambda: opened.read(),
            lambda: bucket.is_sweep_due(datetime.now(UTC), every=timedelta(days=1)),
            bucket.probe,
        ):
            with pytest.raises(StorageAway) as told:
                ask()
            assert told.value.strerror.startswith(f"attachments on 127.0.0.1:{server.port}: ")
            assert "secret" not in told.value.strerror


def test_a_bucket_that_is_not_there_is_no_missing_file(server: BucketServer) -> None:
    bucket = Bucket(server.url.replace("/attachments/", "/nowhere/"))
    with pytest.raises(StorageAway, match="NoSuchBucket: The specified bucket does not exist"):
        bucket.put(BytesIO(b"lost"))


def test_the_setting_says_which(tmp_path: object) -> None:
    environ = {"DESKHAND_DATA_DIR": str(tmp_path)}
    assert isinstance(storage_of(load(environ)), Folder)
    environ["DESKHAND_STORAGE_URL"] = "s3://key:s%2F@s3.example.com/files/desk?region=eu-1"
    bucket = storage_of(load(environ))
    assert isinstance(bucket, Bucket)
    assert bucket.where == "files on s3.example.com"
    for wrong in ("s3://bucket", "s3://key@host/bucket", "http://host/bucket", "file://host/x"):
        with pytest.raises(SettingsError, match="DESKHAND_STORAGE_URL"):
            load({**environ, "DESKHAND_STORAGE_URL": wrong})
