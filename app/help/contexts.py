"""Which part of the handbook fits a page of administration."""

from __future__ import annotations

from app.help.contents import HOME

ADMINISTRATION = "administration"
# Pages that are explained elsewhere than in the chapter on administration.
PAGES = {
    "/admin/groups": "assignment#groups",
    "/admin/skills": "assignment#who-gets-it",
    "/admin/macros": "desk#macros",
    "/admin/settings/priority": "assignment#priority",
    "/admin/rules": "assignment#who-gets-it",
    "/admin/policies": "sla#policies",
    "/admin/calendars": "sla#calendars",
    "/admin/mailboxes": "mail#addresses",
    "/admin/mail/ledger": "mail#when-nothing-comes",
    "/admin/mail/quarantine": "mail#when-nothing-comes",
    "/admin/mail/outbox": "mail#out",
    "/admin/mail/failing": "mail#what-a-mail-may-do",
    "/admin/blocked-senders": "mail#what-a-mail-may-do",
    "/admin/settings/mail": "mail#what-a-mail-may-do",
    "/admin/article-categories": "knowledge-base",
    "/admin/settings/chat": "chat",
    "/admin/tokens": "api#a-token",
    "/admin/webhooks": "webhooks#webhooks",
    "/admin/context": "webhooks#customer-data",
    "/admin/system": "operations#while-it-runs",
}


def help_for(page: str) -> str:
    """The address of what explains *page*, the path of a door of administration."""
    return HOME + PAGES.get(page, ADMINISTRATION)
