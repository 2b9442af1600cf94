"""Settings of an installation, read once from the environment or a ``.env`` file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import TypeVar
from urllib.parse import urlsplit
from zlib import crc32

from email_validator import EmailNotValidError, validate_email

PREFIX = "DESKHAND_"
DEFAULT_BASE_URL = "http://127.0.0.1:8000"
T = TypeVar("T")


class SettingsError(ValueError):
    """A setting has a wrong value; the message is one line that names it."""


@dataclass(frozen=True)
class Settings:
    """Typed settings; every field is ``DESKHAND_<NAME>`` in upper case.

    ``redis_url`` is None where the bundled Redis serves, ``smtp_url`` is None where mails stay in
    the outbox. ``data_dir`` exists once the settings were read. ``outbound_allow`` are the networks
    that webhooks may reach though they are not public.
    """

    secret_key: str
    data_dir: Path
    database_url: str
    redis_url: str | None
    base_url: str
    smtp_url: str | None
    mail_from: str
    imap_url: str | None
    lmtp_listen: str | None
    authserv_id: str | None
    verify_senders: bool
    storage_url: str | None
    trusted_proxies: int
    metrics_token: str | None
    outbound_allow: tuple[IPv4Network | IPv6Network, ...]
    rate_limits: bool
    form_min_seconds: float
    demo_password: str | None
    log_level: str

    @property
    def is_sqlite(self) -> bool:
        """True where the embedded database serves."""
        return self.database_url.startswith("sqlite")

    @property
    def checks_senders(self) -> bool:
        """True where it is found out whether a mail is from whom it says."""
        return self.authserv_id is not None or self.verify_senders

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the bundled Redis (see ``sockaddr_un``: at most 107 bytes)."""
        path = (self.data_dir / "redis.sock").resolve()
        if len(os.fsencode(path)) <= 100:
            return path
        return (
            Path(gettempdir()) / f"deskhand-{os.getuid()}" / f"{crc32(os.fsencode(path)):08x}.sock"
        )

    @property
    def queue_url(self) -> str:
        """Where Redis answers: the one that was set, else the bundled one's socket."""
        return self.redis_url or f"unix://{self.redis_socket}"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is wrong; nothing was written but the data folder and its key.
    """
    env = {**_dotenv(), **os.environ} if environ is None else dict(environ)
    unknown = {k for k in env if k.startswith(PREFIX)} - {PREFIX + name for name in NAMES}
    if unknown:
        name = sorted(unknown)[0]
        raise SettingsError(f"{name} is not a setting of Deskhand; see the table in README.md")

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        text = env.get(PREFIX + name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}{name}: {error}") from None

    data_dir = read("DATA_DIR", Path, Path("instance")).absolute()
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"{PREFIX}DATA_DIR: cannot make {data_dir}: {error.strerror}") from None
    base_url = read("BASE_URL", _web_url, DEFAULT_BASE_URL)
    return Settings(
        secret_key=read("SECRET_KEY", _secret, "") or _kept_secret(data_dir),
        data_dir=data_dir,
        database_url=read("DATABASE_URL", _database_url, f"sqlite:///{data_dir / 'deskhand.db'}"),
        redis_url=read("REDIS_URL", _scheme("redis", "rediss", "unix"), None),
        base_url=base_url,
        smtp_url=read("SMTP_URL", _scheme("smtp", "smtps", "smtp+starttls"), None),
        mail_from=read("MAIL_FROM", _address, f"support@{_mail_domain(base_url)}"),
        imap_url=read("IMAP_URL", _scheme("imap", "imaps", "imap+starttls"), None),
        lmtp_listen=read("LMTP_LISTEN", _listen, None),
        authserv_id=read("AUTHSERV_ID", str, None),
        verify_senders=read("VERIFY_SENDERS", _switch, False),
        storage_url=read("STORAGE_URL", _storage_url, None),
        trusted_proxies=read("TRUSTED_PROXIES", _whole_number, 0),
        metrics_token=read("METRICS_TOKEN", str, None),
        outbound_allow=read("OUTBOUND_ALLOW", _networks, ()),
        rate_limits=read("RATE_LIMITS", _switch, True),
        form_min_seconds=read("FORM_MIN_SECONDS", _seconds, 2.0),
        demo_password=read("DEMO_PASSWORD", str, None),
        log_level=read("LOG_LEVEL", _log_level, "INFO"),
    )


NAMES = tuple(name.upper() for name in Settings.__annotations__)


def _dotenv() -> dict[str, str]:
    """``KEY=value`` lines of ``.env`` in the working directory; the environment wins."""
    path = Path(".env")
    if not path.is_file():
        return {}
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {k.strip(): v.strip().strip("'\"") for k, sep, v in pairs if sep and k[:1] != "#"}


def _kept_secret(data_dir: Path) -> str:
    """The key made at first start; two processes that start at once agree on one."""
    path = data_dir / "secret_key"
    if not path.exists():
        # Written aside and linked into place: nobody ever reads half a key, the first one wins.
        with NamedTemporaryFile("w", dir=data_dir, prefix=".secret_key") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(file.name, path)
    key = path.read_text("ascii", errors="replace").strip()
    if len(key) < 16 or not key.isascii():
        raise SettingsError(f"{PREFIX}SECRET_KEY: {path} is damaged; restore it from a backup")
    return key


def _secret(text: str) -> str:
    if len(text) < 16:
        raise ValueError("must have at least 16 characters")
    return text


def _scheme(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in allowed:
            raise ValueError(f"must start with {' or '.join(f'{s}://' for s in allowed)}")
        if not (parts.hostname or parts.path) or parts.port == 0:  # one that is no number raises
            raise ValueError("names no server")
        return text

    return parse


def _storage_url(text: str) -> str:
    """``file:///path``, or ``s3://key:secret@host/bucket/prefix``; the keys may be left out."""
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.path.strip("/") and not parts.netloc:
        return text
    if parts.scheme in ("s3", "s3+http") and parts.hostname and parts.path.strip("/"):
        if parts.port == 0 or bool(parts.username) != bool(parts.password):
            raise ValueError(
                "must have key and secret, or neither, and a port that is none or real"
            )
        return text
    raise ValueError("must be file:///path or s3://key:secret@host/bucket")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """``10.0.0.0/8, 192.168.1.5``: networks and single addresses, with commas between."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, with commas: {error}") from None


def _listen(text: str) -> str:
    """``lmtp`` or ``smtp``, and a host with a port or the path of a socket, as an address."""
    scheme, sep, rest = text.partition("://")
    if not sep:
        scheme, rest = "lmtp", text
    parts = urlsplit(f"{scheme}://{rest}")
    is_socket = rest.startswith("/") and len(os.fsencode(rest)) <= 100  # see sockaddr_un
    is_port = bool(parts.hostname and parts.port and not parts.path)
    if scheme not in ("lmtp", "smtp") or not (is_socket or is_port):
        raise ValueError("must be lmtp://host:port, smtp://host:port or lmtp:///path/of/socket")
    return f"{scheme}://{rest}"


def _database_url(text: str) -> str:
    scheme, sep, rest = text.partition("://")
    if scheme in ("postgres", "postgresql", "postgresql+psycopg") and sep:
        return _postgres_url(f"postgresql+psycopg://{rest}")
    if scheme == "sqlite" and rest.startswith("/") and rest.strip("/"):
        return text
    raise ValueError("must be postgresql://user:password@host/name or sqlite:///path")


def _postgres_url(text: str) -> str:
    # Imported here: where SQLite serves, `deskhand run` starts without it.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("must be postgresql://user:password@host/name") from None
    return text


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError("must be an address such as https://help.example.org")
    if parts.port == 0:  # one that is no number raises
        raise ValueError("must have another port")
    return text.rstrip("/")


def _mail_domain(base_url: str) -> str:
    """A domain for mail addresses that were not set: the site's, unless that is a bare IP."""
    host = urlsplit(base_url).hostname or "localhost"
    try:
        ip_network(host)
    except ValueError:
        return host
    return "localhost"


def _address(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(f"is not a mail address: {error}") from None


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 10:
        raise ValueError("must be a number of proxies from 0 to 10")
    return int(text)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= 3600:
            return value
    raise ValueError("must be seconds from 0 to 3600")


def _switch(text: str) -> bool:
    if text.lower() in ("on", "true", "1", "yes"):
        return True
    if text.lower() in ("off", "false", "0", "no"):
        return False
    raise ValueError("must be on or off")


def _log_level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return text.upper()
