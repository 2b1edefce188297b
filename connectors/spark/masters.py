"""Where a cluster's master is, and whether somebody listens there: asked before any JVM starts."""

import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lakebed.connectors.errors import ConfigError

MASTERS = "local[*], spark://host:port, yarn, k8s://https://host:port or sc://host:port"
_CONNECT_S = 3.0
_KINDS = {"spark", "k8s", "sc"}
# a driver that they run asks for executors by addresses of its own
_ITS_OWN = ("yarn", "k8s:")
_PORTS = {"http": 80, "https": 443, "sc": 15002}


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
    faults = _faults(places)
    found = f"{master} listens" if not faults else f"{master}: {'; '.join(faults)}"
    # of several masters, all but one stand by
    if len(faults) < len(places):
        return True, found, ""
    return False, found, "start the master, or check its address and the firewall"


def require_master(master: str, *, is_submitted: bool = False) -> None:
    """Looks whether the master is there, of the kinds that can be asked; any other is left to Spark.

    Args:
        master: of a cluster; a local one has nothing to ask.
        is_submitted: whether spark-submit has started this process; YARN and Kubernetes are then its affair.

    Raises: ConfigError: naming what was found at its address.
    """
    is_other = "://" in master and master.partition("://")[0] not in _KINDS
    if is_other or master == "local" or master.startswith(("local[", "local-cluster[")):
        return
    if is_submitted and master.startswith(_ITS_OWN):
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
    """Hosts and ports of a standalone master, also of several, or of a server; none where the address is malformed."""
    kind, _, rest = master.partition("://")
    if kind in {"k8s", "sc"}:
        try:
            url = urlsplit(master if kind == "sc" else rest if "://" in rest else f"https://{rest}")
            return [(url.hostname, url.port or _PORTS.get(url.scheme, 443))] if url.hostname else []
        except ValueError:
            return []
    found = [re.fullmatch(r"\[?([^\[\]]+?)\]?:(\d{1,5})", part) for part in rest.split(",")] if kind == "spark" else []
    return [(match[1], int(match[2])) for match in found if match]


def _faults(places: Sequence[tuple[str, int]]) -> list[str]:
    """What is wrong with each place, asked of all at a time: looking up a name may hang for longer than connecting."""
    faults: dict[tuple[str, int], str] = {}

    def look(place: tuple[str, int]) -> None:
        faults[place] = _fault_of(*place)

    asked = [threading.Thread(target=look, args=(place,), daemon=True) for place in places]
    for each in asked:
        each.start()
    end = time.monotonic() + _CONNECT_S
    for each in asked:
        each.join(max(end - time.monotonic(), 0.0))
    found = [(*place, faults.get(place, f"no answer in {_CONNECT_S:g} s")) for place in places]
    return [f"{host}:{port}: {fault}" for host, port, fault in found if fault]


def _fault_of(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), _CONNECT_S):
            return ""
    except (OSError, OverflowError, UnicodeError) as error:
        return getattr(error, "strerror", "") or str(error)
