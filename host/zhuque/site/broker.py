"""The broker's files, for mosquitto 2.0 and 2.1: its configuration, who it knows, and what each may do.

Points and people have a listener each. At the points' the client id is the user name, whatever the client says, so
that nobody can push another one out by taking its id; at the people's a client needs a certificate of this site too,
which no board has. So a password taken from a board on the wall is good for that one point and nothing else.

Rights of points and people are written out for each of them: in patterns mosquitto 2.1 puts no user name with a slash,
such as SITE/POINT (measured with 2.1.2). Those of the collector are patterns, and its user is called after the site:
2.0 looks for a user's own rights when he connects, so that for a session which it keeps over its own restart only
patterns hold, and what they do not allow is not kept (measured with 2.0.11).

A password is 160 random bits, kept here as a salted hash and nowhere else; `fingerprint` names it. A change is told to
a running broker with SIGHUP: it reads passwords, rights and certificates again and hangs up on whoever is no longer
allowed in.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import pwd
import secrets
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from zhuque.errors import RefusedError
from zhuque.site import files
from zhuque.site.settings import Settings, SiteError
from zhuque.wire.topics import ROOT
from zhuque.wire.version import WIRE

ROLES = ("viewer", "operator", "installer")
COLLECTOR = "collector"
CONFIGURATION = "mosquitto.conf"
ACL = "acl"

_ITERATIONS = 1000  # enough for 160 random bits; every login costs the broker as many
_PUBLISHED = ("status", "telemetry", "record", "reply")
_HEARD = ("command", "stored")
_TEXT = """\
# Made by `zhuque site apply` from site.toml, for mosquitto 2.0 and 2.1: a change made here is lost.
{user}pid_file {folder}/mosquitto.pid
log_dest file {folder}/mosquitto.log
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S%z

# What is acknowledged outlives a restart; a batch of the collector, and a day without it, fit in.
persistence true
persistence_location {folder}/kept/
autosave_interval 10
max_inflight_messages 2000
max_queued_messages 200000
persistent_client_expiration 14d
max_packet_size 65536
set_tcp_nodelay true

allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl

# Points: whoever comes here is who the password says, by client id too.
listener {port}
use_username_as_clientid true
certfile {folder}/server.pem
keyfile {folder}/server.pem

# People and the collector, with a certificate of this site.
listener {people_port}
certfile {folder}/server.pem
keyfile {folder}/server.pem
cafile {folder}/people.pem
require_certificate true
"""


def configuration(site: Settings) -> str:
    """The text of mosquitto.conf. It runs as whom the site's folder belongs to: nobody else reads the keys."""
    return _TEXT.format(
        user=_user_line(site.folder),
        folder=site.folder / "broker",
        port=site.broker_port,
        people_port=site.people_port,
    )


def acl(site: str, points: Iterable[str], roles: Mapping[str, str]) -> str:
    """Who may do what. A point speaks in its own name and hears what is meant for it; `roles` are people's."""
    blocks = [
        "# the collector, whose user is called after the site",
        f"pattern read {ROOT}/+/%u/+/status",
        *(f"pattern read {ROOT}/{WIRE}/%u/+/{channel}" for channel in _PUBLISHED[1:]),
        *(f"pattern write {ROOT}/{WIRE}/%u/+/{channel}" for channel in _HEARD),
    ]
    for point in sorted(points):
        own = f"{ROOT}/{WIRE}/{site}/{point}"
        blocks += ["", f"user {site}/{point}"]
        blocks += [f"topic write {own}/{channel}" for channel in _PUBLISHED]
        blocks += [f"topic read {own}/{channel}" for channel in _HEARD]
    for name, role in sorted(roles.items()):
        read = ("telemetry",) if role == "viewer" else (*_PUBLISHED[1:], "stored")
        blocks += ["", f"# {role}", f"user {name}", f"topic read {ROOT}/+/{site}/+/status"]
        blocks += [f"topic read {ROOT}/{WIRE}/{site}/+/{channel}" for channel in read]
        if role != "viewer":
            blocks.append(f"topic write {ROOT}/{WIRE}/{site}/+/command")
    return "\n".join(blocks) + "\n"


def write(site: Settings, points: Iterable[str], roles: Mapping[str, str]) -> bool:
    """Writes the configuration and the rights; True where something in them is new."""
    folder = site.folder / "broker"
    files.make_folder(folder)
    files.make_folder(folder / "kept")
    changed = False
    for name, text in texts(site, points, roles).items():
        path = folder / name
        if not path.is_file() or path.read_text() != text:
            files.write(path, text)
            changed = True
    if not _passwords(site).is_file():
        files.write(_passwords(site), "")
    return changed


def texts(site: Settings, points: Iterable[str], roles: Mapping[str, str]) -> dict[str, str]:
    """The files that follow from site.toml, points and people, by name."""
    return {
        CONFIGURATION: configuration(site),
        ACL: acl(site.name, points, roles),
    }


def new_password() -> str:
    """160 random bits in 32 characters of base32, lower case."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


def fingerprint(password: str) -> str:
    """Names a password without telling it: 16 hexadecimal digits."""
    return hashlib.sha256(password.encode()).hexdigest()[:16]


def set_password(site: Settings, user: str, password: str | None) -> bool:
    """The only password of this user from now on; None: none. True where there was one before."""
    path = _passwords(site)
    with files.alone(path.with_name(".lock")):
        lines = [line for line in _lines(path) if line]
        others = [line for line in lines if line.partition(":")[0] != user]
        known = len(others) < len(lines)
        if password is not None:
            others.append(f"{user}:{_hash(password)}")
        files.write(path, "".join(line + "\n" for line in sorted(others)))
    return known


def users(site: Settings) -> set[str]:
    """Who has a password."""
    return {line.partition(":")[0] for line in _lines(_passwords(site)) if line}


def reload(site: Settings) -> bool:
    """Tells the running broker to read its files again; False where none runs here. Raises RefusedError."""
    pid = running(site)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise RefusedError(
            f"the broker, process {pid}, is another user's and was not told:"
            f" what was changed holds after `kill -HUP {pid}` as that user"
        ) from error
    return True


def running(site: Settings) -> int | None:
    """The process id of the broker that runs with this site's configuration, None where none does."""
    folder = site.folder / "broker"
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "mosquitto.pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(folder / CONFIGURATION).encode() in arguments:
            return pid
    return None


def _hash(password: str) -> str:
    """As mosquitto_passwd writes it, without a password on a command line: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _passwords(site: Settings) -> Path:
    return site.folder / "broker" / "passwords"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines() if path.exists() else []
    except OSError as error:
        raise SiteError(
            f"{path} cannot be read: {error.strerror}; work as the user whom the site's folder belongs to"
        ) from error


def _user_line(folder: Path) -> str:
    """mosquitto started by root becomes this user; started by anybody else it stays who it is."""
    with contextlib.suppress(OSError, KeyError):
        return f"user {pwd.getpwuid(folder.stat().st_uid).pw_name}\n"
    return ""
