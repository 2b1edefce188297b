"""Guesses of a text file's character encoding, with what speaks for them.

UTF-8 that decodes is UTF-8. Where it does not, most of its bytes beyond ASCII may still be UTF-8's: then the file is
damaged, and no other encoding would make it right. Else charset-normalizer is asked, which tells how sure it is.
"""

import re
from dataclasses import dataclass

SAMPLE_BYTES = 1 << 20
MIN_CONFIDENCE = 0.6

_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_ODD = re.compile(rb"[\x80-\xff]")
# of its many answers those that files really have, the usual ones first
_KNOWN = (
    "cp1252", "mac_roman", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp850", "cp437", "cp932", "euc_jp",
    "euc_kr", "big5", "gb18030", "mac_cyrillic",
)  # fmt: skip
# guesses that are nearly as good as the best
_MARGIN = 0.005


@dataclass(frozen=True)
class Guess:
    """An encoding, and how sure the guess is, from 0 to 1."""

    encoding: str
    confidence: float


def wide_encoding(head: bytes) -> str:
    """UTF-16 without a byte order mark, told by the zero bytes beside ASCII; empty if it is none."""
    sample = head[: 1 << 12]
    n_pairs = len(sample) // 2
    if n_pairs < 2 or b"\0" not in sample:
        return ""
    even, odd = sample[0 : 2 * n_pairs : 2].count(0) / n_pairs, sample[1 : 2 * n_pairs : 2].count(0) / n_pairs
    if odd > 0.5 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.5 and odd < 0.05 else ""


def guess_encoding(data: bytes) -> Guess | None:
    """The encoding of text that is not UTF-8; None where none is likely, or the text is damaged UTF-8.

    Args:
        data: a sample that has bytes beyond ASCII.
    """
    from charset_normalizer import from_bytes

    n_utf8 = len(_UTF8.findall(data))
    n_other = len(_ODD.findall(_UTF8.sub(b"", data)))
    if not n_other or n_utf8 >= n_other:
        return None
    lines = b"\n".join(line for line in data.split(b"\n") if _ODD.search(line))[: 1 << 16]
    found = [
        (float(match.chaos), _KNOWN.index(name), name)
        for match in from_bytes(lines, cp_isolation=list(_KNOWN), enable_fallback=False)
        for name in {match.encoding, *match.could_be_from_charset} & set(_KNOWN)
    ]
    if not found:
        return None
    least = min(chaos for chaos, _, _ in found)
    chaos, _, name = min((one for one in found if one[0] <= least + _MARGIN), key=lambda one: one[1])
    return Guess(name, round(1 - chaos, 2)) if 1 - chaos >= MIN_CONFIDENCE else None
