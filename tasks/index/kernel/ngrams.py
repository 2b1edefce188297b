"""Text search by hashed character n-grams: no model, no dictionary.

A text becomes the set of its n-grams (three bytes of its case-folded UTF-8, blanks around each word), each hashed to
one of 2^18 buckets; texts are compared by the cosine of their sets, weighted by how rare a bucket is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.distinct import distinct

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]

BUCKET_BITS = 18
N = 3
_BETWEEN_WORDS = re.compile(r"[^\w\n]|_")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class NgramIndex:
    """Inverted lists of n texts. Shapes: indptr (2^18 + 1,) into text (m,), ascending; length (n,) of the vectors."""

    indptr: Int64
    text: Int32
    length: Float32

    def weights(self) -> Float32:
        """How rare each bucket is: log(1 + n / texts in it), (2^18,)."""
        n_texts = np.diff(self.indptr)
        found: Float32 = np.log1p(len(self.length) / np.maximum(n_texts, 1)).astype(np.float32)
        return found


def buckets(texts: Sequence[str]) -> tuple[Int64, Int64]:
    """(text, bucket) pairs, each once, ascending."""
    parts = [words.encode("utf-8", "surrogatepass") for words in whole_words(texts)]
    sizes = np.array([len(part) for part in parts], np.int64)
    data = np.frombuffer(b"".join(parts), np.uint8).astype(np.uint64)
    if len(data) < N:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    owner = np.repeat(np.arange(len(parts)), sizes)
    gram = data[: -N + 1] | data[1:-1] << np.uint64(8) | data[2:] << np.uint64(16)
    is_inside = owner[: -N + 1] == owner[N - 1 :]
    bucket = ((gram * _MULTIPLIER) >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
    pairs = distinct((owner[: -N + 1] << BUCKET_BITS | bucket)[is_inside])
    return pairs >> BUCKET_BITS, pairs & ((1 << BUCKET_BITS) - 1)


def index_texts(texts: Sequence[str]) -> NgramIndex:
    """The inverted lists of the texts. O(total length)."""
    text, bucket = buckets(texts)
    indptr = np.zeros((1 << BUCKET_BITS) + 1, np.int64)
    np.cumsum(np.bincount(bucket, minlength=1 << BUCKET_BITS), out=indptr[1:])
    order = np.argsort(bucket, kind="stable")
    bare = NgramIndex(indptr, text[order].astype(np.int32), np.ones(len(texts), np.float32))
    squared = np.bincount(text, bare.weights()[bucket].astype(np.float64) ** 2, minlength=len(texts))
    return NgramIndex(indptr, bare.text, np.sqrt(squared).astype(np.float32))


def match(index: NgramIndex, text: str) -> Float32:
    """1 - cosine of the text to each text of the index, (n,); 1 where nothing is shared."""
    _, asked = buckets([text])
    weights = index.weights()[asked].astype(np.float64)
    lists = [index.text[index.indptr[bucket] : index.indptr[bucket + 1]] for bucket in asked.tolist()]
    hits = np.concatenate([np.empty(0, np.int32), *lists])
    dots = np.bincount(hits, np.repeat(weights**2, [len(one) for one in lists]), minlength=len(index.length))
    norm = float(np.sqrt((weights**2).sum())) or 1.0
    distance: Float32 = (1 - dots / np.maximum(index.length * norm, 1e-12)).astype(np.float32)
    return np.clip(distance, 0, 1)


def whole_words(names: Sequence[str]) -> list[str]:
    """Each name as its words with blanks around: what is between characters that are neither letters nor digits.

    O(total length).
    """
    lines = "\n".join(name.replace("\n", " ") for name in names).casefold()
    return [f" {' '.join(line.split())} " for line in _BETWEEN_WORDS.sub(" ", lines).split("\n")] if names else []


def has_words(words: Sequence[str], text: str) -> NDArray[np.bool_]:
    """Which names have the text's words side by side as whole parts, (n,); none where the text has no word."""
    (wanted,) = whole_words([text])
    return np.fromiter((wanted != "  " and wanted in each for each in words), np.bool_, len(words))
