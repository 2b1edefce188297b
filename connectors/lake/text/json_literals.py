"""Finds number literals in JSON that Arrow's reader would change: `1.0`, `1e5`, `-0`, more digits than a float has.

Whole blocks are searched with regular expressions. A number inside a string may look suspicious; then the block is
searched again without its strings.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.lake.text.types import parse_canonical

_CHANGED = r"[:,\[\s]-?(?:[0-9]+\.[0-9]*0[,\]}\s]|[0-9]+(?:\.[0-9]+)?[eE])|[:,\[\s]-0[,\]}\s]"
_STRING = r'"(?:[^"\\]|\\.)*"'
_LONG = re.compile(rb"[:,\[\s](-?[0-9][0-9.]{15,})(?=[,\]}\s])")
_ANY_LONG = "[0-9][0-9.]{15}"
_LONG_INT = 10**15


def literals_survive(block: bytes, parsed: pa.Array) -> bool:
    """Whether every number of a block renders back to the text it was parsed from.

    Args:
        block: JSON lines.
        parsed: the struct array that Arrow made of them.
    """
    numbers = _numbers(parsed)
    if not numbers:
        return True
    floats = [values for values in numbers if pa.types.is_floating(values.type)]
    if not all(pc.all(pc.is_finite(values), min_count=0).as_py() for values in floats):
        return False
    n_long_ints = sum(_n_long(values) for values in numbers if pa.types.is_integer(values.type))
    text = pa.array([block], pa.large_binary())
    if _search(text, has_floats=bool(floats), n_long_ints=n_long_ints):
        return True
    text = pc.replace_substring_regex(text, _STRING, '""')
    return _search(text, has_floats=bool(floats), n_long_ints=n_long_ints)


def _search(text: pa.Array, *, has_floats: bool, n_long_ints: int) -> bool:
    if pc.match_substring_regex(text, _CHANGED)[0].as_py():
        return False
    if not has_floats or not pc.match_substring_regex(text, _ANY_LONG)[0].as_py():
        return True
    # up to 15 digits always survive; of longer literals, ints that stand in int columns are exact too
    literals = [literal.decode() for literal in _LONG.findall(text[0].as_py())]
    ints = [literal for literal in literals if "." not in literal]
    fractions = [literal for literal in literals if "." in literal]
    return _are_floats(fractions) and (len(ints) == n_long_ints or _are_floats(ints))


def _are_floats(literals: list[str]) -> bool:
    return not literals or parse_canonical(pa.array(literals, pa.string()), "float64") is not None


def _n_long(values: pa.Array) -> int:
    is_long = pc.or_(pc.greater_equal(values, _LONG_INT), pc.less_equal(values, -_LONG_INT))
    return int(pc.sum(is_long, min_count=0).as_py())


def _numbers(array: pa.Array) -> list[pa.Array]:
    """Every array of numbers inside an array."""
    if pa.types.is_struct(array.type):
        return [found for i in range(array.type.num_fields) for found in _numbers(array.field(i))]
    if pa.types.is_list(array.type):
        return _numbers(array.values)
    return [array] if pa.types.is_integer(array.type) or pa.types.is_floating(array.type) else []
