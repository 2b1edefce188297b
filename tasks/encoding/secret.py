"""What is drawn from the secret key of the row hashes: a key for each use, none of which betrays another.

A linear hash is as good as its key is secret: whoever knows the key finds two rows of one hash by algebra. What is
stored does not betray it: row hashes are outputs of AES under a key of its own.
"""

import hashlib
from functools import lru_cache

import numpy as np

from lakebed.tasks.encoding import aes
from lakebed.tasks.encoding.lanes import LANES, MAX_WORDS
from lakebed.tasks.encoding.signatures import Words

KEY_BYTES = 32
# words 0 to 2 are all that cells of fixed width need; the keys of the others are drawn where they are asked for
_FIXED_WORDS = 3
_WORD_KEY_BYTES = 2 * LANES * 8
_MAX_COLUMNS = 65_536
_MAX_LONG_COLUMNS = 1_024


def require_key(key: bytes) -> None:
    """Raises ValueError unless the key has 32 bytes."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, expected {KEY_BYTES}")


@lru_cache(maxsize=256)
def derived(key: bytes, use: str, n_bytes: int) -> bytes:
    """A key for one use: keyed BLAKE2b of its name."""
    require_key(key)
    return hashlib.blake2b(use.encode(), key=key, digest_size=n_bytes).digest()


def remix_keys(key: bytes) -> Words:
    """The round keys of a row hash's last step, (22,)."""
    return aes.round_keys(derived(key, "remix", aes.KEY_BYTES))


def sum_keys(key: bytes) -> Words:
    """The round keys of what sums of row hashes are taken of, (22,): stored row hashes say nothing of their sums."""
    return aes.round_keys(derived(key, "sums", aes.KEY_BYTES))


def word_keys(key: bytes, token: str, form: str, n_words: int) -> Words:
    """(n_words, 2, 4) keys of the words of a column.

    Args:
        key: the secret.
        token: names the column.
        form: what its cells are: empty for values, else a type's text, or another writing of the same column.
        n_words: 3, or MAX_WORDS; the fewer are the first of the more.
    """
    draw = _fixed_keys if n_words <= _FIXED_WORDS else _all_keys
    return draw(key, token, form)


@lru_cache(maxsize=_MAX_COLUMNS)
def _fixed_keys(key: bytes, token: str, form: str) -> Words:
    return _drawn(key, token, form, _FIXED_WORDS)


@lru_cache(maxsize=_MAX_LONG_COLUMNS)
def _all_keys(key: bytes, token: str, form: str) -> Words:
    return _drawn(key, token, form, MAX_WORDS)


@lru_cache(maxsize=_MAX_LONG_COLUMNS)
def block_keys(key: bytes, token: str, form: str) -> Words:
    """(31, 4, 2, 8): the keys of the words 2 to 249, those of 64 bytes together."""
    words = _all_keys(key, token, form)[2:250]
    out = np.ascontiguousarray(words.reshape(31, 8, 2, LANES).transpose(0, 3, 2, 1))
    out.setflags(write=False)
    return out


def _drawn(key: bytes, token: str, form: str, n_words: int) -> Words:
    """SHAKE-256 over key, token and form, each with its length before it."""
    parts = (derived(key, "columns", KEY_BYTES), token.encode(), form.encode())
    stream = hashlib.shake_256(b"".join(len(part).to_bytes(8, "little") + part for part in parts))
    out: Words = np.frombuffer(stream.digest(n_words * _WORD_KEY_BYTES), "<u8").astype(np.uint64)
    out = out.reshape(n_words, 2, LANES)
    out.setflags(write=False)
    return out
