"""A message of the conversation as HTML: its own, made safe when it came, or made of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from markupsafe import Markup

from app.core.db import db
from app.core.errors import NotFound
from app.core.html import FOLD, TAG, has_remote_images, text_to_html, with_images
from app.tickets import attachments
from app.tickets.attachments import FileChip
from app.tickets.models import Comment, Ticket
from app.tickets.queries import SHOWN_TO_CUSTOMERS

MAX_SHOWN = 200_000  # characters of HTML in a conversation; of a longer one the text is shown


class Message(NamedTuple):
    """What was written, what is folded away ("" without), and the files that stand in neither."""

    new: Markup
    old: Markup
    files: tuple[FileChip, ...]
    is_html: bool


def message(body: str, quoted: str, html: str | None, files: Sequence[FileChip]) -> Message:
    """One message as the conversation shows it; images of other servers are not loaded."""
    if html and len(html) <= MAX_SHOWN:
        new, _, old = html.partition(FOLD)
        if "<img" in new or TAG.sub("", new).strip():
            paths, left = _places(html, files)
            return Message(
                _safe(with_images(new, paths)), _safe(with_images(old, paths)), left, True
            )
    old_html = text_to_html(quoted) if quoted.strip() else ""
    return Message(_safe(text_to_html(body)), _safe(old_html), tuple(files), False)


def has_more_to_load(html: str | None) -> bool:
    """True where a mail shows more on a page of its own: remote images, or all of a long one."""
    return html is not None and (len(html) > MAX_SHOWN or has_remote_images(html))


def whole(
    ticket_id: int, comment_id: int | None, path: str, *, with_internal: bool
) -> tuple[Markup, bool]:
    """All of a mail's HTML with its images, and whether some are loaded from other servers.

    Args:
        comment_id: None for the ticket's description.
        path: of the ticket, as its reader sees it.
        with_internal: also what customers may not see.
    Raises:
        NotFound: no such comment for this reader, or it has no HTML.
    """
    if comment_id is None:
        wanted = sa.select(Ticket.description_html).where(Ticket.id == ticket_id)
    else:
        wanted = sa.select(Comment.body_html).where(
            Comment.id == comment_id, Comment.ticket_id == ticket_id
        )
        if not with_internal:
            wanted = wanted.where(SHOWN_TO_CUSTOMERS)
    html = db.session.scalar(wanted)
    if not html:
        raise NotFound("There is no such mail.")
    files = attachments.chips(ticket_id, path, with_internal=with_internal)[comment_id]
    paths, _ = _places(html, files)
    shown = with_images(html.replace(FOLD, ""), paths, remote=True)
    return _safe(shown), has_remote_images(html)


def _places(html: str, files: Sequence[FileChip]) -> tuple[dict[str, str], tuple[FileChip, ...]]:
    """Where a mail's images are served, by Content-ID, and the files that are none of them."""
    if ' data-cid="' not in html:
        return {}, tuple(files)
    images = {file.content_id: file.path for file in files if file.content_id and file.is_image}
    left = [file for file in files if not (file.is_image and _is_named(file.content_id, html))]
    return images, tuple(left)


def _is_named(content_id: str, html: str) -> bool:
    return bool(content_id) and f' data-cid="{Markup.escape(content_id)}"' in html


def _safe(html: str) -> Markup:
    return Markup(html)  # noqa: S704  (sanitised when stored, or escaped by `text_to_html`)
