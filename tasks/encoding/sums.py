"""Sums of row hashes: an order-free hash of a multiset of rows that proves equality, as long as nobody sees it.

The sum runs over the rows' hashes through AES under a key of its own, modulo 2^128, each as often as the row occurs.
Two different multisets have equal sums with probability 2^-(128 - k), where 2^k divides the difference of every row's
multiplicities (k = 0 for sets). That holds only for who sees neither sums nor what is summed: of known hashes, two
different sets of 1,024 rows with one sum are made in a CPU second (Wagner, "A generalized birthday problem", 2002). So
a sum travels between processes veiled, and what is stored or shown is its keyed digest.

A sum is an array (2,): high and low word.
"""

import hashlib
import secrets
from collections.abc import Iterable

import numpy as np

from lakebed.tasks.encoding.aes import sum_encrypted
from lakebed.tasks.encoding.secret import KEY_BYTES, derived, sum_keys
from lakebed.tasks.encoding.signatures import Words

SUM_BYTES = 16
_NONCE_BYTES = 16
_MODULUS = 1 << 128


def multiset_sum(hashes: Words, key: bytes) -> Words:
    """The sum over row hashes. Shapes: hashes (n, 2)."""
    return plain_sum(hashes, sum_keys(key))


def plain_sum(hashes: Words, keys: Words) -> Words:
    """The sum over row hashes under given round keys."""
    return np.array(sum_encrypted(np.ascontiguousarray(hashes), keys), np.uint64)


def add_sums(sums: Words, more: Words) -> Words:
    """Sums added one by one modulo 2^128. Shapes: (…, 2) all."""
    low = sums[..., 1] + more[..., 1]
    return np.stack([sums[..., 0] + more[..., 0] + (low < more[..., 1]), low], axis=-1)


def total(sums: Iterable[Words]) -> Words:
    """The sum of sums, zero of none. Shapes: (2,) each."""
    return _words(sum(_number(one) for one in sums) % _MODULUS)


def sum_digest(found: Words, key: bytes) -> bytes:
    """What may be stored or shown of a sum: 32 bytes, equal where the multisets are, under one key."""
    content = _number(found).to_bytes(SUM_BYTES, "little")
    return hashlib.blake2b(content, key=derived(key, "sum digest", KEY_BYTES), digest_size=32).digest()


def veiled(data: bytes, key: bytes) -> bytes:
    """Sums that may travel between processes: under a stream that only the key draws, from a nonce that goes before."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _covered(data, nonce, key)


def unveiled(data: bytes, key: bytes) -> bytes:
    """What `veiled` was given."""
    return _covered(data[_NONCE_BYTES:], data[:_NONCE_BYTES], key)


def _covered(data: bytes, nonce: bytes, key: bytes) -> bytes:
    stream = hashlib.shake_256(derived(key, "sum veil", KEY_BYTES) + nonce).digest(len(data))
    return (np.frombuffer(data, np.uint8) ^ np.frombuffer(stream, np.uint8)).tobytes()


def _number(found: Words) -> int:
    return int(found[0]) << 64 | int(found[1])


def _words(number: int) -> Words:
    return np.array([number >> 64, number & ((1 << 64) - 1)], np.uint64)
