"""The tag words of the canonical cells, and the id of the encoding.

A cell is an injective, self-delimiting sequence of unsigned 64-bit words; its first word is a tag:

| tag | class | words after the tag |
|---|---|---|
| 0 | NULL | depth of the null, 0 |
| 1 | BOOL | 0 or 1, 0 |
| 2 | INTEGER | low and high half of the value as int128 |
| 3 | FLOAT | bits of the float64, 0 |
| 4 | DECIMAL, its scale in the upper half of the tag | low and high half of the unscaled int128 |
| 5 | NAN | 0, 0 |
| 6 | STRING | number of UTF-8 bytes, the bytes padded with zeros |
| 7 | BINARY | as STRING |
| 8 | DATE | days since 1970, milliseconds into the day (0 in a proper date) |
| 9 | INSTANT | ns since 1970 UTC as int128 |
| 10 | TIME | ns since midnight as int128 |
| 11 | DURATION | ns as int128 |
| 12 | LIST | number of elements, their cells |
| 13 | STRUCT | number of fields, by name: a STRING cell with the name, the field's cell |
| 14 | MAP | number of entries, by their words: an ENTRY, 2, key cell, value cell |
| 15 | ENTRY | of a map, see there |
| 16 | BIG DECIMAL, its scale as in DECIMAL | as STRING: the unscaled value, little-endian two's complement |
| 17 | INTERVAL | as STRING: Arrow's bytes |
| 18 | LONG, for cells that the keyed hash has no keys for (lanes.py) | low and high half of their BLAKE2b digest |
"""

from typing import Final

NULL: Final = 0
BOOL: Final = 1
INTEGER: Final = 2
FLOAT: Final = 3
DECIMAL: Final = 4
NAN: Final = 5
STRING: Final = 6
BINARY: Final = 7
DATE: Final = 8
INSTANT: Final = 9
TIME: Final = 10
DURATION: Final = 11
LIST: Final = 12
STRUCT: Final = 13
MAP: Final = 14
ENTRY: Final = 15
BIG_DECIMAL: Final = 16
INTERVAL: Final = 17
LONG: Final = 18

SCALE_SHIFT: Final = 32
WORD: Final = (1 << 64) - 1

# First words of streams that are not column streams; those start with a byte length, which is never so large.
VALUE_DOMAIN: Final = WORD
REMIX_DOMAIN: Final = WORD - 1
MULTISET_DOMAIN: Final = WORD - 2

# SHA-256 of the golden vectors in tests/tasks/encoding/test_words.py: a change of any word or hash changes the id.
GOLDEN: Final = "9866f60b45ab20a8abbacc59cbceba47fce6b0e1a219031c99a9cceab86cdfee"
ENCODING_ID: Final = f"lakebed-rows-2-{GOLDEN[:16]}"

# The words are those of the first encoding, whose hashes are in sip_hashes.py; what it wrote stays verifiable.
OLDER_GOLDEN: Final = "198d885f10e7be5136fd17d97e1b3525f3c590015bb113ee4f1a32055149c5d2"
OLDER_ENCODING_ID: Final = f"lakebed-rows-1-{OLDER_GOLDEN[:16]}"


def signed_halves(value: int) -> tuple[int, int]:
    """The low and high word of an int128 in two's complement."""
    return value & WORD, (value >> 64) & WORD


def tag_with_scale(tag: int, scale: int) -> int:
    """A decimal's tag word: the scale, as int32, in its upper half."""
    return tag | (scale & 0xFFFFFFFF) << SCALE_SHIFT


def bytes_words(tag: int, data: bytes) -> list[int]:
    """The words of a cell of variable length."""
    padded = data + bytes(-len(data) % 8)
    return [tag, len(data), *(int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8))]
