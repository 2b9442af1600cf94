"""The one page that may load pictures from other servers."""

from __future__ import annotations

from flask import Response, make_response, render_template
from markupsafe import Markup

# No script, no frame, no form and no connection: whatever stands in the mail, its pictures are
# all that leaves this page. Only over HTTPS, and no referrer says where they are shown.
PICTURES_POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' https: data:",
        "style-src 'self'",
        "font-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def mail_page(html: Markup, number: str, subject: str, *, back: str, is_remote: bool) -> Response:
    """A mail's sanitised HTML by itself.

    Args:
        back: the ticket's path.
        is_remote: pictures are loaded from other servers.
    """
    page = render_template(
        "mail_page.html", html=html, number=number, subject=subject, back=back, is_remote=is_remote
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = PICTURES_POLICY
    return response
