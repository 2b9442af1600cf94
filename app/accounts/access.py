"""Who may open which page: every view wears one of these, and a test sees to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask_login import current_user

from app.accounts import directory
from app.accounts.models import Person, Role
from app.core.errors import Forbidden
from app.extensions import login_manager
from app.web import limits

View = TypeVar("View", bound=Callable[..., Any])

RANK = {role: rank for rank, role in enumerate(Role)}


def everyone(view: View) -> View:
    """Open to guests too; the view itself looks at keys and viewers, if it needs any."""
    view.access = "everyone"  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Open to whoever is signed in, customers too."""
    return _at_least(Role.CUSTOMER, "signed_in")(view)


def agent_required(view: View) -> View:
    """Open to agents, supervisors and admins."""
    return _at_least(Role.AGENT, "agent")(view)


def supervisor_required(view: View) -> View:
    """Open to supervisors and admins."""
    return _at_least(Role.SUPERVISOR, "supervisor")(view)


def admin_required(view: View) -> View:
    """Open to admins."""
    return _at_least(Role.ADMIN, "admin")(view)


def _at_least(role: Role, word: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            person = person_or_none()
            if person is None:
                return login_manager.unauthorized()
            if RANK[person.role] < RANK[role]:
                raise Forbidden("This page is for the support team.")
            return view(*args, **kwargs)

        guarded.access = word  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def current_person() -> Person:
    """Who is signed in; only in views that are not open to everyone.

    Raises:
        RuntimeError: nobody is, so the view lacks its decorator.
    """
    person = person_or_none()
    if person is None:
        raise RuntimeError("nobody is signed in; the view needs an access decorator")
    return person


def person_or_none() -> Person | None:
    """Who is signed in, or None for a guest; one statement the first time in a request."""
    user = current_user._get_current_object()
    return user if isinstance(user, Person) else None


def whose() -> str:
    """Whom a limit counts, from whichever network: the one who is signed in."""
    person = person_or_none()
    return f"person {person.id}" if person else limits.network()


def hidden_group_ids(person: Person) -> frozenset[int]:
    """Private groups whose tickets an agent may not see; none for supervisors."""
    if person.is_supervisor:
        return frozenset()
    return frozenset(
        group.id
        for group in directory.groups().values()
        if group.is_private and person.id not in group.member_ids
    )
