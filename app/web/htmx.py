"""Pages and their fragments from one template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2_fragments.flask import render_block


def wants_fragment() -> bool:
    """True for htmx, except boosted links and history restores, which need the page."""
    whole = ("HX-Boosted", "HX-History-Restore-Request")
    return "HX-Request" in request.headers and not any(h in request.headers for h in whole)


def render(
    template: str,
    *,
    fragment: str,
    also: Sequence[str] = (),
    then: str | None = None,
    status: int = 200,
    **context: Any,
) -> ResponseReturnValue:
    """The page; for htmx, block *fragment*, then *also* out of band. *then*: where 303 goes."""
    if wants_fragment():
        body = render_block(template, fragment, oob=False, **context)
        body += "".join(render_block(template, name, oob=True, **context) for name in also)
    elif then:
        return redirect(then, 303)
    else:
        body = render_template(template, oob=False, **context)
    response = make_response(body, status)
    response.vary.add("HX-Request")
    return response
