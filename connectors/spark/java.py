"""Finding a Java that Spark 4.2 runs on."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lakebed.connectors.errors import ConfigError

SUPPORTED_VERSIONS = (17, 21)
JAVA_FIX = (
    "install a JDK 17 or 21: `apt-get install openjdk-17-jdk-headless` (Debian, Ubuntu), `brew install openjdk@17` "
    "(macOS) or `conda install openjdk=17`; or let JAVA_HOME name one"
)


@dataclass(frozen=True)
class Java:
    """A Java launcher: its path, its major version, and the full version text."""

    path: str
    version: int
    text: str


def find_java() -> Java:
    """The Java that sessions run on: `JAVA_HOME` first, then the PATH.

    Raises: ConfigError: if there is none, or it is neither 17 nor 21.
    """
    path = _launcher()
    if path is None:
        raise ConfigError(
            "Java was not found",
            value=f"JAVA_HOME={os.environ.get('JAVA_HOME', '')!s}",
            expected=_expected(),
            hint=JAVA_FIX,
        )
    text = _version_text(path)
    version = _major(text)
    if version not in SUPPORTED_VERSIONS:
        raise ConfigError(
            "Spark does not run on this Java",
            value=f"{path}, version {text or 'unknown'}",
            expected=_expected(),
            hint=JAVA_FIX,
        )
    return Java(path, version, text)


def _expected() -> str:
    return "Java " + " or ".join(map(str, SUPPORTED_VERSIONS))


def _launcher() -> str | None:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


def _version_text(path: str) -> str:
    """The version as the JDK's own `release` file has it; where there is none, as `java -version` prints it."""
    release = Path(path).resolve().parent.parent / "release"
    if release.is_file():
        found = re.search(r'^JAVA_VERSION="([^"]+)"', release.read_text(errors="replace"), re.MULTILINE)
        if found:
            return found.group(1)
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r'version "([^"]+)"', done.stderr)
    return found.group(1) if found else ""


def _major(text: str) -> int:
    digits = re.match(r"(?:1\.)?(\d+)", text)
    return int(digits.group(1)) if digits else 0
