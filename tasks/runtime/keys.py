"""SHA-256 over parts that cannot run into each other."""

import hashlib
import json
from collections.abc import Iterable

from pydantic import BaseModel


def sha256_of_parts(parts: Iterable[bytes]) -> str:
    """Hex SHA-256 over the parts, each behind its length (8 bytes, little endian), and their number at the end.

    Without the lengths ("ab", "c") and ("a", "bc") would collide.
    """
    digest = hashlib.sha256()
    n_parts = 0
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
        n_parts += 1
    digest.update(n_parts.to_bytes(8, "little"))
    return digest.hexdigest()


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
