"""Files on their way out: whatever somebody sent us, it runs in nobody's browser."""

from __future__ import annotations

from flask import Response, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from app.core.errors import NotFound
from app.core.storage import storage
from app.tickets.attachments import INERT_IMAGES, StoredFile
from app.tickets.models import Attachment

CACHE_SECONDS = 600
# What browsers say when a page wants to run or frame a file. Our pages may only run what comes
# from here, and this comes from here.
PART_OF_A_PAGE = frozenset(
    "script style worker sharedworker serviceworker object embed frame iframe xslt".split()
)


def serve(file: Attachment | StoredFile) -> Response:
    """The bytes of *file*, in ranges if asked for; shown only if it is an inert picture.

    Whoever calls this has checked that the viewer may have it.

    Raises:
        NotFound: the bytes are gone from the storage, or a page wants to run them.
    """
    if request.headers.get("Sec-Fetch-Dest") in PART_OF_A_PAGE:
        raise NotFound("A file is opened by itself.")
    is_picture = file.content_type in INERT_IMAGES
    try:
        response = send_file(
            storage().open(file.sha256),
            mimetype=file.content_type,
            as_attachment=not is_picture,
            download_name=file.filename,
            etag=file.sha256,
            conditional=False,
        )
    except FileNotFoundError:
        raise NotFound("This file is no longer there. Ask for it to be sent again.") from None
    response.content_length = file.size
    try:
        response.make_conditional(request.environ, accept_ranges=True, complete_length=file.size)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = f"private, max-age={CACHE_SECONDS}"
    return response
