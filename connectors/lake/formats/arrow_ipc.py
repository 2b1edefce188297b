"""Arrow's own files: with a footer (`.arrow`, and `.feather` of version 2), or as a stream.

The first version of Feather is another format, which Arrow itself is giving up.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError

_FILE_MAGIC, _FEATHER_MAGIC = b"ARROW1", b"FEA1"


def read_arrow(source: pa.NativeFile) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of a file of Arrow's, and its rows in batches, encodings undone.

    Raises:
        SourceError: if it is of Feather's first version, or a column is a view of lists.
        ArrowException, OSError: of a damaged file.
    """
    head = bytes(source.read(len(_FILE_MAGIC)))
    source.seek(0)
    if head.startswith(_FEATHER_MAGIC):
        raise SourceError(
            "it is of Feather's first version", expected="version 2", hint="write it anew with pandas or pyarrow"
        )
    if head == _FILE_MAGIC:
        file = pa.ipc.open_file(source)
        stored, batches = file.schema, (file.get_batch(place) for place in range(file.num_record_batches))
    else:
        stream = pa.ipc.open_stream(source)
        stored, batches = stream.schema, iter(stream)
    schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in stored])
    return schema, (_batch(batch, schema) for batch in batches)


def _batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    decoded = [
        pc.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else column for column in batch.columns
    ]
    columns = [column.cast(field.type) for column, field in zip(decoded, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain(type_: pa.DataType) -> pa.DataType:
    """The type of a column without what Parquet cannot write: run ends, and views of text and bytes.

    Raises:
        SourceError: for views of lists, which Arrow casts wrongly.
    """
    if pa.types.is_run_end_encoded(type_) or pa.types.is_dictionary(type_):
        return _plain(type_.value_type)
    if pa.types.is_string_view(type_):
        return pa.large_string()
    if pa.types.is_binary_view(type_):
        return pa.large_binary()
    if "list_view" in str(type_):
        raise SourceError("a column is a view of lists", value=str(type_), expected="lists")
    return type_
