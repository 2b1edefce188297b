"""Where a cluster's master is, and whether somebody listens there: asked before any JVM starts."""

import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from lakebed.connectors.errors import ConfigError

MASTERS = "local[*], spark://host:port, yarn or k8s://https://host:port"
_CONNECT_S = 3.0
_KINDS = {"spark", "k8s"}
_PORTS = {"http": 80, "https": 443}


def look_at_master(master: str) -> tuple[bool, str, str]:
    """Whether it is there, what was found, and what to do where it is not; for YARN, whether its settings are named."""
    if master == "yarn":
        folders = [os.environ.get(name, "") for name in ("YARN_CONF_DIR", "HADOOP_CONF_DIR")]
        named = next((folder for folder in folders if (Path(folder) / "yarn-site.xml").is_file()), "")
        if named:
            return True, f"yarn, by {named}", ""
        return False, "yarn, without settings", "let HADOOP_CONF_DIR name the folder of yarn-site.xml"
    places = _places(master)
    if not places:
        return False, f"{master} is no master", f"give {MASTERS}"
    faults = [f"{host}:{port}: {fault}" for host, port in places if (fault := _fault_of(host, port))]
    found = f"{master} listens" if not faults else f"{master}: {'; '.join(faults)}"
    # of several masters, all but one stand by
    if len(faults) < len(places):
        return True, found, ""
    return False, found, "start the master, or check its address and the firewall"


def require_master(master: str) -> None:
    """Looks whether the master is there, of the kinds that can be asked; any other is left to Spark.

    Raises: ConfigError: naming what was found at its address.
    """
    is_other = "://" in master and master.partition("://")[0] not in _KINDS
    if is_other or master.startswith("local-cluster["):
        return
    is_there, found, fix = look_at_master(master)
    if not is_there:
        raise ConfigError(
            "the cluster's master cannot be reached",
            value=found,
            expected=MASTERS,
            hint=f"{fix}; lakebed doctor --master MASTER",
        )


def _places(master: str) -> list[tuple[str, int]]:
    """Hosts and ports of a standalone master, also of several, or of a Kubernetes API server; none where malformed."""
    kind, _, rest = master.partition("://")
    if kind == "k8s":
        try:
            url = urlsplit(rest if "://" in rest else f"https://{rest}")
            return [(url.hostname, url.port or _PORTS.get(url.scheme, 443))] if url.hostname else []
        except ValueError:
            return []
    found = [re.fullmatch(r"\[?([^\[\]]+?)\]?:(\d{1,5})", part) for part in rest.split(",")] if kind == "spark" else []
    return [(match[1], int(match[2])) for match in found if match]


def _fault_of(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), _CONNECT_S):
            return ""
    except (OSError, OverflowError, UnicodeError) as error:
        return getattr(error, "strerror", "") or str(error)
