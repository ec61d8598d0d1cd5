"""secrets.toml beside site.toml, mode 0600: what the whole site shares and nobody may read. Never printed."""

from __future__ import annotations

import tomllib

from zhuque.errors import RefusedError
from zhuque.site import files
from zhuque.site.settings import Settings, SiteError

FILE = "secrets.toml"


def keep_wifi_password(site: Settings, password: str) -> None:
    """Raises SiteError for what is no password of a Wi-Fi."""
    if password and not 8 <= len(password.encode()) <= 63:
        raise SiteError("a Wi-Fi password has 8 to 63 characters, or none in an open network")
    if not password.isprintable():
        raise SiteError("a Wi-Fi password has printable characters only")
    text = password.replace("\\", "\\\\").replace('"', '\\"')
    files.write(site.folder / FILE, f'wifi_password = "{text}"\n')


def wifi_password(site: Settings) -> str:
    """Empty for an open network. Raises RefusedError where others can read the file, SiteError."""
    path = site.folder / FILE
    if files.open_to_others(path):
        raise RefusedError(f"others can read {path}: `chmod 600 {path}`, and change the Wi-Fi's password")
    try:
        password = tomllib.loads(path.read_text()).get("wifi_password", "")
    except FileNotFoundError as error:
        raise SiteError(f'{path} is missing: write wifi_password = "..." into it, mode 0600') from error
    except (OSError, ValueError) as error:  # the text may be the password: it is not repeated
        raise SiteError(f"{path} cannot be read as TOML ({type(error).__name__})") from error
    if not isinstance(password, str):
        raise SiteError(f"{path}: wifi_password must be a text in quotes")
    return password
