"""systemd's units for a site: its broker and its collector, as the user whom the folder belongs to."""

from __future__ import annotations

import pwd
import sys
from collections.abc import Sequence
from pathlib import Path

from zhuque.errors import UsageError
from zhuque.site.broker import CONFIGURATION
from zhuque.site.settings import Settings

_UNIT = """\
# Made by `zhuque site units`. {hint}
[Unit]
Description=zhuque {name}: {what}
Wants=network-online.target
After=network-online.target {after}

[Service]
User={user}
ExecStart={start}
{more}Restart=always
RestartSec=5
UMask=0077
WorkingDirectory={folder}
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ReadWritePaths={folder}
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6

[Install]
WantedBy=multi-user.target
"""
_HINT = "Put it into /etc/systemd/system, then: systemctl enable --now {file}"


def units(site: Settings, mosquitto: Path, zhuque: Sequence[str] | None = None) -> dict[str, str]:
    """The units' texts by file name; `zhuque` is how this program is run. Raises UsageError for an odd folder."""
    if not str(site.folder).isprintable() or any(c in str(site.folder) for c in " %$\\\"'"):
        raise UsageError(
            f"the folder {site.folder} has characters that systemd reads otherwise: move the site"
        )
    owner = pwd.getpwuid(site.folder.stat().st_uid).pw_name
    broker, collector = (f"zhuque-{site.name}-{what}.service" for what in ("broker", "collector"))
    run = " ".join(zhuque or [sys.executable, "-m", "zhuque"])
    common = {"name": site.name, "user": owner, "folder": site.folder}
    return {
        broker: _UNIT.format(
            what="broker",
            after="time-sync.target",
            start=f"{mosquitto} -c {site.folder}/broker/{CONFIGURATION}",
            more="ExecReload=/bin/kill -HUP $MAINPID\nLimitNOFILE=65536\n",
            hint=_HINT.format(file=broker),
            **common,
        ),
        collector: _UNIT.format(
            what="collector",
            after=broker,
            start=f"{run} collect {site.name} --site {site.folder}",
            more=f"Environment=ZHUQUE_USER={site.name}\n",
            hint=_HINT.format(file=collector),
            **common,
        ),
    }
