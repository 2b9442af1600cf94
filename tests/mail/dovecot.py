"""A real IMAP server for tests: Dovecot 2.3 or 2.4 from the system's packages.

Every user's password is known.

Started once for a test run; each test takes a user of its own. Another IMAP client, as people have
one, is `Dovecot.client`.
"""

from __future__ import annotations

import atexit
import datetime
import functools
import grp
import ipaddress
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imapclient import IMAPClient

from tests.servers import free_port

PASSWORD = "pässword-of-them-all"

# What both 2.3 and 2.4 understand; what was renamed stands in the two below.
CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login_user}
first_valid_uid = 0
mail_uid = {mail_user}
mail_gid = {mail_group}
mail_max_userip_connections = 100
mailbox_idle_check_interval = 1 secs
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""

CONFIG_23 = """
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={mail_user} gid={mail_group} home={folder}/mail/%u
}}
"""

OAUTH2_23 = """
introspection_mode = post
introspection_url = http://127.0.0.1:{token_port}/introspect
username_attribute = username
active_attribute = active
active_value = true
"""

# https://doc.dovecot.org/main/installation/upgrade/2.3-to-2.4.html; the version comes first.
CONFIG_24 = """
ssl_server_cert_file = {folder}/cert.pem
ssl_server_key_file = {folder}/key.pem
auth_allow_cleartext = yes
mail_home = {folder}/mail/%{{user}}
mail_driver = maildir
mail_path = ~/Maildir
oauth2 {{
  introspection_mode = post
  introspection_url = http://127.0.0.1:{token_port}/introspect
  username_attribute = username
  active_attribute = active
  active_value = true
}}
passdb static {{
  mechanisms_filter = plain login
  password = {password}
}}
userdb static {{
  fields {{
    uid = {mail_user}
    gid = {mail_group}
    home = {folder}/mail/%{{user}}
  }}
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """Where it listens; ``token_port`` is where it asks whether a token is good."""

    folder: Path
    port: int
    tls_port: int
    token_port: int

    @property
    def certificate(self) -> Path:
        """For clients that are to trust it (``SSL_CERT_FILE``)."""
        return self.folder / "cert.pem"

    @contextmanager
    def client(self, user: str, folder: str = "INBOX") -> Iterator[IMAPClient]:
        """Another IMAP client, signed in, with that folder open."""
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=60) as client:
            client.plain_login(user, PASSWORD)
            if not client.folder_exists(folder):
                client.create_folder(folder)
            client.select_folder(folder)
            yield client

    def add(self, user: str, *mails: bytes, folder: str = "INBOX") -> None:
        """Put mails into a folder, as a delivery does."""
        with self.client(user, folder) as client:
            for mail in mails:
                client.append(folder, mail)

    def change_uidvalidity(self, user: str) -> None:
        """Lose all UIDs of the inbox, as a server does that was restored or moved."""
        maildir = self.folder / "mail" / user / "Maildir"
        for path in [*maildir.glob("dovecot*")]:
            path.unlink()
        time.sleep(1.1)  # the new one is made from the second


@functools.cache
def dovecot() -> Dovecot:
    """The server of this test run; the test is skipped where there is none, but not under CI."""
    program = shutil.which("dovecot") or shutil.which("/usr/sbin/dovecot")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs Dovecot: scripts/dovecot.sh installs it")
        pytest.skip("needs Dovecot (as root: scripts/dovecot.sh)")
    folder = Path(tempfile.mkdtemp(prefix="deskhand-dovecot-"))
    server = Dovecot(folder, free_port(), free_port(), free_port())
    _write_config(server, _version_of(program))
    process = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")])
    _stop_at_exit(process, folder)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return server
        time.sleep(0.05)
    log = folder / "dovecot.log"
    raise RuntimeError(f"Dovecot did not start: {log.read_text() if log.exists() else ''}")


def _write_config(server: Dovecot, version: tuple[int, int]) -> None:
    """Root needs others to become; anybody else stays who they are."""
    folder = server.folder
    is_root = os.getuid() == 0
    mine = pwd.getpwuid(os.getuid()).pw_name
    user, login_user = ("dovecot", "dovenull") if is_root else (mine, mine)
    mail_user = "mail" if is_root else mine
    mail = folder / "mail"
    mail.mkdir()
    if is_root:
        shutil.chown(mail, mail_user, mail_user)
        folder.chmod(0o755)
    _make_certificate(folder)
    values = {
        "folder": folder,
        "port": server.port,
        "tls_port": server.tls_port,
        "token_port": server.token_port,
        "user": user,
        "group": _group_of(user),
        "login_user": login_user,
        "mail_user": mail_user,
        "mail_group": _group_of(mail_user),
        "password": PASSWORD,
    }
    config = CONFIG + CONFIG_23
    if version >= (2, 4):
        number = f"{version[0]}.{version[1]}.0"
        head = f"dovecot_config_version = {number}\ndovecot_storage_version = {number}\n"
        config = head + CONFIG + CONFIG_24
    else:
        (folder / "oauth2.conf").write_text(OAUTH2_23.format(**values))
    (folder / "dovecot.conf").write_text(config.format(**values))


def _version_of(program: str) -> tuple[int, int]:
    """Such as (2, 4): the language of the configuration changed with it."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    major, minor = told.stdout.split(".")[:2]
    return int(major), int(minor)


def _group_of(user: str) -> str:
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _stop_at_exit(process: subprocess.Popen[bytes], folder: Path) -> None:
    def stop() -> None:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
