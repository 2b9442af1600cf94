"""Files of tickets and comments: checked, named and typed on their way in, and served safely."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import IO, Any, NamedTuple
from urllib.parse import quote

import puremagic
import sqlalchemy as sa
from werkzeug.datastructures import FileStorage

from app.core.db import db
from app.core.errors import Invalid
from app.core.statements import Read
from app.core.storage import storage
from app.tickets.dangers import danger
from app.tickets.models import Attachment, Comment
from app.tickets.queries import SHOWN_TO_CUSTOMERS
from app.web.security import MAX_FILE, MAX_FILES
from app.web.words import filesize

NAME_LENGTH = 255
SAMPLE = 8192  # bytes from which the type is told
SURE = 0.3  # puremagic's confidence in a signature of more than two bytes
DAYS_WITHOUT_ROW = 2

# Shown in the browser: pictures that cannot run anything. All else is only ever downloaded.
INERT_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
TEXTS = frozenset({"application/json", "application/x-ndjson", "message/rfc822"})
BINARY = "application/octet-stream"

# Every column that names bytes in the storage: what is in none of them is swept, and not backed up.
# The pictures of articles belong to an area above this one, hence by name; a test compares.
DIGESTS: tuple[sa.ColumnElement[str], ...] = (
    Attachment.__table__.c.sha256,
    sa.table("article_picture", sa.column("sha256", sa.String)).c.sha256,
)

_type = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are in the storage; its row comes with the ticket or comment.

    ``is_inline`` and ``content_id`` belong to a picture inside a mail's HTML.
    """

    sha256: str
    filename: str
    content_type: str
    size: int
    is_inline: bool = False
    content_id: str = ""


class FileChip(NamedTuple):
    """A file as pages show it."""

    name: str
    path: str
    size_text: str
    is_image: bool
    content_id: str = ""  # of a part of a mail that its HTML may show in place
    danger: str = ""  # what it may do to whoever opens it, in a word


def uploads_of(files: Iterable[object] | None) -> list[FileStorage]:
    """What was really chosen: an empty file field arrives as one file without a name, or not."""
    return [file for file in files or () if isinstance(file, FileStorage) and file.filename]


def problems(uploads: Sequence[FileStorage], *, kept: int = 0) -> list[str]:
    """What is wrong with chosen files, in words for whoever chose them; reads no content.

    Args:
        kept: how many files are there already, from a try before.
    """
    found = []
    if len(uploads) + kept > MAX_FILES:
        found.append(
            f"At most {MAX_FILES} files go with one message, these are {len(uploads) + kept}. "
            "Send the others in a reply."
        )
    return found + [problem for upload in uploads if (problem := problem_of(upload))]


def problem_of(upload: FileStorage) -> str:
    """The same for one file; "" where it is fine."""
    name, size = clean_filename(upload.filename or ""), _size(upload.stream)
    if size == 0:
        return f"{name} is empty. Choose it again, or leave it out."
    if size > MAX_FILE:
        return f"{name} has {filesize(size)}, at most 25 MB can be sent. Try a smaller one."
    return ""


def store_uploads(chosen: Iterable[object] | None) -> list[StoredFile]:
    """Keep the bytes of what a file field brought, before the transaction that makes the rows.

    Raises:
        Invalid: more than ten, an empty one, or one larger than 25 MB.
    """
    uploads = uploads_of(chosen)
    if found := problems(uploads):
        raise Invalid(" ".join(found), {"attachments": " ".join(found)})
    return [store_upload(upload) for upload in uploads]


def store_upload(upload: FileStorage) -> StoredFile:
    """Keep an uploaded file's bytes.

    Raises:
        Invalid: empty, or larger than 25 MB.
    """
    if problem := problem_of(upload):
        raise Invalid(problem, {"attachments": problem})
    return _store(upload.stream, upload.filename or "", upload.mimetype)


def store_bytes(
    data: bytes,
    filename: str,
    content_type: str,
    *,
    is_inline: bool = False,
    content_id: str = "",
) -> StoredFile:
    """Keep bytes that are in memory (a part of a mail), whatever their size."""
    return _store(
        BytesIO(data), filename, content_type, is_inline=is_inline, content_id=content_id[:255]
    )


def rows(
    files: Iterable[StoredFile],
    *,
    ticket_id: int,
    comment_id: int | None,
    uploader_id: int | None,
    now: datetime,
) -> list[dict[str, Any]]:
    """Columns of `Attachment` for an insert."""
    return [
        {
            "ticket_id": ticket_id,
            "comment_id": comment_id,
            "sha256": file.sha256,
            "filename": file.filename,
            "content_type": file.content_type,
            "size": file.size,
            "is_inline": file.is_inline,
            "content_id": file.content_id,
            "uploader_id": uploader_id,
            "created_at": now,
        }
        for file in files
    ]


_CHIPS = (
    sa.select(
        Attachment.id,
        Attachment.comment_id,
        Attachment.filename,
        Attachment.content_type,
        Attachment.size,
        Attachment.content_id,
    )
    .outerjoin(Comment, Comment.id == Attachment.comment_id)
    .where(Attachment.ticket_id == sa.bindparam("ticket_id"))
    .order_by(Attachment.id)
)
IS_PUBLIC = sa.or_(Attachment.comment_id.is_(None), SHOWN_TO_CUSTOMERS)
CHIPS: Read[Any] = Read(_CHIPS)
PUBLIC_CHIPS: Read[Any] = Read(_CHIPS.where(IS_PUBLIC))


def chips(ticket_id: int, path: str, *, with_internal: bool) -> dict[int | None, list[FileChip]]:
    """Every file of a ticket by comment (None: the description's); one statement.

    Args:
        path: of the ticket, as its reader sees it: ``/tickets/TKT-…`` or ``/desk/tickets/TKT-…``.
        with_internal: also the files of internal notes; never for customers.
    """
    found: dict[int | None, list[FileChip]] = defaultdict(list)
    statement = CHIPS if with_internal else PUBLIC_CHIPS
    for row in statement.all(ticket_id=ticket_id):
        found[row.comment_id].append(
            FileChip(
                row.filename,
                f"{path}/attachments/{row.id}/{quote(row.filename, safe='')}",
                filesize(row.size),
                row.content_type in INERT_IMAGES,
                row.content_id,
                danger(row.filename, row.content_type),
            )
        )
    return found


def find(ticket_id: int, attachment_id: int, *, with_internal: bool) -> Attachment | None:
    """A file of this ticket that its reader may have; one statement."""
    wanted = (
        sa.select(Attachment)
        .outerjoin(Comment, Comment.id == Attachment.comment_id)
        .where(Attachment.id == attachment_id, Attachment.ticket_id == ticket_id)
    )
    return db.session.scalar(wanted if with_internal else wanted.where(IS_PUBLIC))


def sweep(*, now: datetime) -> int:
    """Once a day, delete stored files that got no row within two days. Returns how many."""
    store = storage()
    if not store.is_sweep_due(now, every=timedelta(days=1)):
        return 0

    def used(digests: Sequence[str]) -> set[str]:
        rows = sa.union_all(*(sa.select(c).where(c.in_(digests)) for c in DIGESTS))
        return set(db.session.scalars(rows))

    return store.sweep(used, before=now - timedelta(days=DAYS_WITHOUT_ROW))


def clean_filename(text: str) -> str:
    """A name to show and to save under: no path, nothing invisible, at most 255 characters."""
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate is no text
    text = unicodedata.normalize("NFC", re.split(r"[/\\]", text)[-1])
    text = "".join(" " if c.isspace() else c for c in text if _is_visible(c) or c.isspace())
    text = " ".join(text.split()).strip(". ") or "file"
    if len(text) <= NAME_LENGTH:
        return text
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension) > 20:
        return text[:NAME_LENGTH]
    return stem[: NAME_LENGTH - len(dot + extension)] + dot + extension


def sniff(sample: bytes, filename: str, claimed: str) -> str:
    """The type of a file, from its first bytes; what was *claimed* decides only where it fits.

    Text has no signature: a claim of some text is believed if the bytes read as text.
    """
    claimed = claimed.lower().strip()
    claims = [claimed if _type.fullmatch(claimed) and len(claimed) <= 100 else ""]
    claims.append(mimetypes.guess_type(clean_filename(filename))[0] or "")
    try:
        matches = [m for m in puremagic.magic_string(sample) if m.mime_type]
    except (puremagic.PureError, ValueError):
        matches = []
    possible = [match.mime_type for match in matches]
    for claim in claims:
        if claim in possible:
            return claim
    sure = [match.mime_type for match in matches if match.confidence >= SURE]
    if sure:
        return str(sure[0])[:100]
    if not _is_text(sample):
        return BINARY
    texts = [claim for claim in claims if claim.startswith("text/") or claim in TEXTS]
    return texts[0] if texts else "text/plain"


def _store(
    stream: IO[bytes],
    filename: str,
    content_type: str,
    *,
    is_inline: bool = False,
    content_id: str = "",
) -> StoredFile:
    sample = stream.read(SAMPLE)
    stream.seek(0)
    stored = storage().put(stream)
    return StoredFile(
        sha256=stored.sha256,
        filename=clean_filename(filename),
        content_type=sniff(sample, filename, content_type),
        size=stored.size,
        is_inline=is_inline,
        content_id=content_id,
    )


def _size(stream: IO[bytes]) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _is_visible(character: str) -> bool:
    """False for controls, overrides of the reading direction, surrogates and the like.

    The two joiners are letters' business in Persian, Hindi and emoji.
    """
    if character in "\u200c\u200d":
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _is_text(sample: bytes) -> bool:
    """True where the bytes read as UTF-8 (a character may be cut at the end) without NULs."""
    if b"\0" in sample:
        return False
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 3 and len(sample) == SAMPLE
    return True
