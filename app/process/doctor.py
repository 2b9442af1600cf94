"""``deskhand doctor``: what is wrong with this installation, and how to mend it.

Looks, and changes nothing but for a few bytes that it takes away again. Here is what it sees
without the application; `app.process.doctor_desk` has the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import click

from app.process.findings import ANSWER_SECONDS, Finding, Level, careful, fine, note, wrong
from app.settings import Settings, SettingsError, load

FULL_PERCENT, SHORT_BYTES = 90, 1_000_000_000
SHARES = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "afs", "glusterfs")  # kinds of file systems


@click.command()
def doctor() -> None:
    """Say what is wrong with this installation and how to mend it.

    Ends with 1 where something is wrong, with 0 where nothing is. Mail servers are tried, which
    can take a minute for each.
    """
    levels = [_say(finding) for finding in examine()]
    wrongs, notes = levels.count(Level.WRONG), levels.count(Level.NOTE)
    told = "Nothing is wrong." if not wrongs else f"{wrongs} wrong."
    click.echo(f"\n{told}" + (f" {notes} to think about." if notes else ""))
    sys.exit(1 if wrongs else 0)


def examine() -> Iterator[Finding]:
    """Every finding, as soon as it is found."""
    try:
        settings = load()
    except SettingsError as error:
        yield wrong("Settings", str(error), "Correct it in the environment or in .env.")
        return
    yield fine("Settings", f"every value can be read; the data folder is {settings.data_dir}")
    # Imported here: it brings the application along, and a wrong setting is told at once.
    from app.process.doctor_desk import look_at_desk

    for about, check in (
        ("Secret key", secret_key),
        ("Data folder", data_folder),
        ("Disk", disk),
        ("Address", address),
    ):
        yield from careful(about, check, settings)
    yield from look_at_desk(settings)


def secret_key(settings: Settings) -> Iterator[Finding]:
    """Whether it is kept from others, and the same on all machines."""
    path = settings.data_dir / "secret_key"
    is_kept = path.exists() and path.read_text("ascii", "replace").strip() == settings.secret_key
    if is_kept and path.stat().st_mode & 0o077:
        yield wrong("Secret key", f"others can read {path}", f"chmod 600 {path}")
    elif is_kept and not settings.is_sqlite and settings.redis_url:
        told = f"is in {path}; other machines need the same"
        yield note("Secret key", told, "Set DESKHAND_SECRET_KEY to what stands there on each.")
    else:
        where = f"is in {path}, for its owner alone" if is_kept else "is set by the environment"
        yield fine("Secret key", where)


def data_folder(settings: Settings) -> Iterator[Finding]:
    """Whether we can write there and others cannot read, and what kind of disk it is on."""
    folder = settings.data_dir
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"probe")
    except OSError as error:
        told = f"{folder} cannot be written: {error.strerror}"
        yield wrong("Data folder", told, "Give it to the user that runs Deskhand: chown -R.")
        return
    strangers = [p for p in (folder, *folder.iterdir()) if p.stat().st_uid != os.getuid()]
    kind = file_system(folder)
    if strangers:
        told = f"{strangers[0]} belongs to another user"
        yield wrong("Data folder", told, "Run this as the user that runs Deskhand, or chown -R it.")
    elif folder.stat().st_mode & 0o077:
        yield wrong("Data folder", f"others can look into {folder}", f"chmod 700 {folder}")
    elif settings.is_sqlite and kind.startswith(SHARES):
        told = f"{folder} is on a network share ({kind}), where SQLite loses data"
        yield wrong("Data folder", told, "Move it to a disk of this machine, or use PostgreSQL.")
    else:
        yield fine("Data folder", f"can be written ({kind or 'unknown file system'})")


def file_system(folder: Path) -> str:
    """The kind of file system that *folder* is on, "" where that cannot be told (proc(5))."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    mounts = [line.split(" ")[1:3] for line in lines]
    above = {str(one) for one in (folder.resolve(), *folder.resolve().parents)}
    fitting = [(len(place), kind) for place, kind in mounts if place in above]
    return max(fitting)[1] if fitting else ""


def disk(settings: Settings) -> Iterator[Finding]:
    """Room on the disk."""
    usage = shutil.disk_usage(settings.data_dir)
    files = os.statvfs(settings.data_dir)
    used = 100 - 100 * usage.free // usage.total
    told = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.0f} GB are free"
    if files.f_files and files.f_favail < files.f_files // 50:
        yield wrong("Disk", "it can hold hardly any more files", "Delete files, or use another.")
    elif used >= FULL_PERCENT and usage.free < SHORT_BYTES:
        yield wrong("Disk", told, "Make room: when it is full, nothing can be taken in.")
    elif used >= FULL_PERCENT:
        yield note("Disk", told, "Make room in time.")
    else:
        yield fine("Disk", told)


def address(settings: Settings) -> Iterator[Finding]:
    """Where links in mails lead, and who answers there."""
    url = settings.base_url
    parts = urlsplit(url)
    if _is_local(parts.hostname or ""):
        told = f"links in mails lead to {url}, which is right on this machine alone"
        yield note("Address", told, "Set DESKHAND_BASE_URL to what people type.")
    elif parts.scheme == "http":
        told = f"{url} is not encrypted: passwords can be read on their way"
        yield note("Address", told, "Put a proxy with a certificate before it; README has two.")
    elif not settings.trusted_proxies:
        told = "https ends at a proxy that is not trusted: all visitors seem to be one"
        yield wrong("Address", told, "Set DESKHAND_TRUSTED_PROXIES=1.")
    yield _who_answers(url)


def _who_answers(url: str) -> Finding:
    mend = "Start Deskhand; if it runs, see to the name, the proxy and the firewall."
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - http(s), as the settings have checked
            is_ours = json.load(answer) == {"status": "ok"}
    except ValueError:
        is_ours = False
    except OSError as error:
        why = getattr(error, "reason", error)
        return wrong("Address", f"{url} does not answer: {why}", mend)
    if is_ours:
        return fine("Address", f"{url} answers")
    return wrong("Address", f"something else answers at {url}", mend)


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _say(finding: Finding) -> Level:
    click.echo(f"{finding.level.value:5}  {finding.about}: {finding.told}")
    if finding.mend:
        click.echo(f"       -> {finding.mend}")
    return finding.level
