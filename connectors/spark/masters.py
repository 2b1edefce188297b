"""Where a cluster's master is, and whether it listens there: asked before any JVM starts.

Spark itself goes on for more than a minute where something else listens, such as the master's own web page, and a
client of Spark Connect for ever. So a greeting is sent that a master answers whatever its secrets, its settings and
whoever asks: a standalone master says that a file of that name is not there, a Connect server begins HTTP/2.
"""

import os
import re
import socket
import ssl
import struct
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
# Spark's StreamRequest: length, type and name, at whose line ends servers of text answer too
_FILE = b"/files/none\r\n\r\n"
_ASKED = {
    "spark": struct.pack(">qbi", 13 + len(_FILE), 6, len(_FILE)) + _FILE,
    "sc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)),
}
# StreamFailure with that name; a frame of settings
_ANSWERS = {"spark": re.compile(rb".{8}\x08", re.DOTALL), "sc": re.compile(rb".{3}\x04", re.DOTALL)}
_ANSWER_BYTES, _TELLING_BYTES = 64, 9


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
    faults = _faults(places, master.partition("://")[0])
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


def _faults(places: Sequence[tuple[str, int]], kind: str) -> list[str]:
    """What is wrong with each place, asked of all at a time: looking up a name may hang for longer than connecting."""
    faults: dict[tuple[str, int], str] = {}

    def look(place: tuple[str, int]) -> None:
        try:
            with socket.create_connection(place, _CONNECT_S) as connection:
                # who is slow to answer is there all the same
                faults[place] = ""
                faults[place] = _other(connection, place, kind)
        except (OSError, OverflowError, UnicodeError) as error:
            faults[place] = getattr(error, "strerror", "") or str(error)

    asked = [threading.Thread(target=look, args=(place,), daemon=True) for place in places]
    for each in asked:
        each.start()
    end = time.monotonic() + _CONNECT_S
    for each in asked:
        each.join(max(end - time.monotonic(), 0.0))
    found = [(*place, faults.get(place, f"no answer in {_CONNECT_S:g} s")) for place in places]
    return [f"{host}:{port}: {fault}" for host, port, fault in found if fault]


def _other(connection: socket.socket, place: tuple[str, int], kind: str) -> str:
    """What listens there, if it is for sure none of this kind: neither in clear nor by TLS; else nothing."""
    if kind not in _ASKED:
        return ""
    answer = b""
    try:
        connection.sendall(_ASKED[kind])
        # it may come in pieces
        while len(answer) < _TELLING_BYTES and (more := connection.recv(_ANSWER_BYTES)):
            answer += more
    except TimeoutError:
        return ""
    except OSError:
        pass
    # a proxy may hang up on whoever does not say by TLS which server is meant
    if _ANSWERS[kind].match(answer) or _speaks_tls(place):
        return ""
    told = answer.split(b"\n")[0].decode("ascii", "replace").strip()
    is_text = told.isprintable() and told.isascii()
    return f"it is no {kind}:// that listens there" + (f", but says {told!r}" if told and is_text else "")


def _speaks_tls(place: tuple[str, int]) -> bool:
    """Whether it encrypts, whoever it is and whatever it wants of its clients, or does not answer in time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(place, _CONNECT_S) as plain, context.wrap_socket(plain, server_hostname=place[0]):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except TimeoutError:
        return True
    except OSError:
        return False
