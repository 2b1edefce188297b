import pyarrow as pa
import pytest

from lakebed.tasks.encoding.types import is_binary, type_class, type_text, value_type
from tests.tasks.encoding.arrays import (
    BYTES_TYPES,
    DECIMAL_TYPES,
    FLOAT_TYPES,
    INTEGER_TYPES,
    NESTED_TYPES,
    TEMPORAL_TYPES,
    TEXT_TYPES,
)

CLASSES = {
    "null": [pa.null()],
    "bool": [pa.bool_(), pa.dictionary(pa.int8(), pa.bool_())],
    "number": [*INTEGER_TYPES, *FLOAT_TYPES, *DECIMAL_TYPES],
    "string": [*TEXT_TYPES, pa.dictionary(pa.int32(), pa.string()), pa.run_end_encoded(pa.int16(), pa.string())],
    "binary": [*BYTES_TYPES, pa.uuid()],
    "date": [kind for kind in TEMPORAL_TYPES if pa.types.is_date(kind)],
    "timestamp": [kind for kind in TEMPORAL_TYPES if pa.types.is_timestamp(kind)],
    "time": [kind for kind in TEMPORAL_TYPES if pa.types.is_time(kind)],
    "duration": [kind for kind in TEMPORAL_TYPES if pa.types.is_duration(kind)],
    "nested": [*NESTED_TYPES, pa.month_day_nano_interval(), pa.list_view(pa.int8())],
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in CLASSES.items() for kind in kinds], ids=str)
def test_each_type_has_its_class(name, kind):
    assert type_class(kind) == name
    assert is_binary(value_type(kind)) == (name == "binary")


def test_texts_tell_types_apart_but_not_their_storage():
    kinds = [
        *(kind for kinds in CLASSES.values() for kind in kinds if not pa.types.is_dictionary(kind)),
        pa.struct([("a", pa.int8()), ("b", pa.int8())]),
        pa.struct([('a":int8,"b', pa.int8())]),
        pa.list_(pa.struct([("a", pa.int8())])),
        pa.list_(pa.int8(), 2),
        pa.list_(pa.int8(), 3),
        pa.large_list(pa.int8()),
    ]
    storage = {str(pa.uuid()), str(pa.run_end_encoded(pa.int16(), pa.string()))}
    kept = [kind for kind in kinds if str(kind) not in storage]
    assert len({type_text(kind) for kind in kept}) == len(set(kept))
    assert type_text(pa.dictionary(pa.int8(), pa.string())) == type_text(pa.string())
    assert type_text(pa.uuid()) == type_text(pa.binary(16))
