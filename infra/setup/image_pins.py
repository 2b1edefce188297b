"""Pins the images that others build by their digests, in `infra/.env` for the compose file. Run by `make pins`.

Each variable of the compose file that names an image (`POSTGRES_IMAGE`, the bases of our own images) gets
`name:tag@sha256:…`: the tag of `infra/.env` where it has one, else the compose file's, and the digest that the registry
has for it today. Nothing is written where one cannot be told.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

INFRA = Path(__file__).resolve().parents[1]
_NAMED = re.compile(r"\$\{(\w+_IMAGE):-([^}]+)\}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIMEOUT_S = 120
# an index of all platforms has a digest of its own, which is the one to pin
_ASK = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")


def main() -> None:
    """Asks for every image, then writes the file."""
    target = INFRA / ".env"
    lines = target.read_text(encoding="utf-8").splitlines() if target.is_file() else []
    given = dict(line.split("=", 1) for line in lines if re.match(r"\w+_IMAGE=.", line))
    pins = {
        name: pinned(given.get(name, image).partition("@")[0])
        for name, image in _NAMED.findall((INFRA / "compose.yaml").read_text(encoding="utf-8"))
    }
    kept = [line for line in lines if line.partition("=")[0] not in pins]
    made = [f"{name}={image}" for name, image in sorted(pins.items())]
    target.write_text("\n".join([*kept, *made]) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(made) + f"\nwritten to {target}\n")


def pinned(image: str) -> str:
    """The image with its digest; ends the program where the registry does not tell it."""
    try:
        done = subprocess.run([*_ASK, image], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"{image} is not pinned: {error}; docker with buildx must be installed, and reach the registry")
    if not (found := _DIGEST.fullmatch(done.stdout.strip())):
        sys.exit(f"{image} is not pinned: {(done.stderr or done.stdout).strip() or 'docker told no digest'}")
    return f"{image}@{found[0]}"


if __name__ == "__main__":
    main()
