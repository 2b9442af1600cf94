"""Every rate limit of a form, by name, in one place; the API's tokens have their own.

Counted in Redis over all processes, or in each process's memory while Redis is down.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from ipaddress import ip_address

from flask import Response, request
from flask_limiter import RouteLimit

from app.core.mail_addresses import spelled_alike
from app.extensions import limiter

LONGEST = 500  # characters of an address that are looked at; none has more than 254

# Only failed sign-ins count, so nobody is locked out by signing in often.
SIGN_IN_BY_ADDRESS = "10 per 15 minutes"
SIGN_IN_BY_IP = "50 per 15 minutes"
LINK_BY_ADDRESS = "5 per hour"  # mails that anybody can have sent to somebody
LINK_BY_IP = "30 per hour"
KEY_BY_IP = "60 per 15 minutes"  # one-time links that were tried
TICKET_BY_IP = "20 per 10 minutes"  # the public ticket form; an office shares one address
TICKET_BY_ADDRESS = "20 per hour"
VOTE_BY_IP = "60 per 10 minutes"  # on articles
VOTE_BY_GUESTS = "10 per day"  # on one article, of all guests of a network
REPLY_BY_IP = "60 per 10 minutes"  # replies by customers
WRONG_TOKENS_BY_IP = "120 per minute"  # each made-up one would else have a limit of its own
CHAT_BY_WINDOW = "60 per 10 minutes"  # what is said in one conversation, whichever its key


def by_ip(limit: str) -> RouteLimit:
    """Limit the posts of one network address."""
    return limiter.limit(limit, key_func=network, methods=["POST"])


def by_address(limit: str) -> RouteLimit:
    """Limit the posts that name one mail address (field ``email``), whoever sends them."""
    return limiter.limit(limit, key_func=_address_named, methods=["POST"])


def failures_by_ip(limit: str) -> RouteLimit:
    """Limit the failed posts of one network address."""
    return limiter.limit(limit, key_func=network, methods=["POST"], deduct_when=_has_failed)


def failures_by_address(limit: str) -> RouteLimit:
    """Limit the failed posts that name one mail address, whoever sends them."""
    return limiter.limit(limit, key_func=_address_named, methods=["POST"], deduct_when=_has_failed)


def failures_by(limit: str, whom: Callable[[], str]) -> RouteLimit:
    """Limit the failed posts of whomever *whom* names."""
    return limiter.limit(limit, key_func=whom, methods=["POST"], deduct_when=_has_failed)


def network() -> str:
    """Whose request this is: an IPv4 address, or the /64 that one IPv6 customer has.

    On a socket for both, IPv4 comes in the clothes of IPv6 (``::ffff:192.0.2.1``): its first 64
    bits are the same for everybody.
    """
    text = request.remote_addr or ""
    try:
        ip = ip_address(text)
    except ValueError:
        return text or "unknown"
    plain = ip.ipv4_mapped if ip.version == 6 else ip
    return str(plain) if plain else ip.exploded[:19]


def by(limit: str, whom: Callable[[], str]) -> RouteLimit:
    """Limit the posts of whomever *whom* names."""
    return limiter.limit(limit, key_func=whom, methods=["POST"])


def _address_named() -> str:
    """A hash of the address: what people typed stays out of Redis. Nothing named: the network."""
    address = request.form.get("email", "") or _address_in_json()
    # As it is stored: it would else have a limit for each way to write it.
    address = spelled_alike(address.strip()[:LONGEST])
    return sha256(address.encode("utf-8", "replace")).hexdigest() if address else network()


def _address_in_json() -> str:
    content = request.get_json(silent=True) if request.is_json else None
    named = content.get("email") if isinstance(content, dict) else None
    return named if isinstance(named, str) else ""


def _has_failed(response: Response) -> bool:
    return response.status_code >= 400
