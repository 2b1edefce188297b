"""Writes a Parquet file batch by batch, under the footer of another one."""

import contextlib
import io
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.lake.footer import ParquetTraits, cut_footer, with_traits, writer_options

GROUP_ROWS = 1 << 18


class ParquetOutput:
    """A file that is being written; a row group of it at most is held in memory.

    Args:
        sink: an open stream, which is closed with the file.
        schema: of the rows, that of the traits where they are given.
        traits: that the file gets; None: those that Arrow gives.

    Raises:
        PlanError: if a column cannot be written as the traits have it.
    """

    def __init__(self, sink: BinaryIO, schema: pa.Schema, traits: ParquetTraits | None) -> None:
        self._sink, self._traits = sink, traits
        self._tail = _Tail(sink)
        self._held: list[pa.Table] = []
        self.n_held = 0
        try:
            options = writer_options(schema, traits) if traits else {"compression": "snappy"}
            self._writer = pq.ParquetWriter(self._tail, schema, **options)
        except BaseException:
            self._close_sink()
            raise

    def add(self, rows: pa.Table) -> None:
        """Writes further rows."""
        self._held.append(rows)
        self.n_held += rows.num_rows
        if self.n_held >= GROUP_ROWS:
            self.flush()

    def close(self) -> None:
        """Writes the end of the file and closes it."""
        self.flush()
        self._tail.is_held = True
        self._writer.close()
        pages, end = cut_footer(self._tail.held.getvalue())
        self._sink.write(pages + (with_traits(end, self._traits) if self._traits else end))
        self._sink.close()

    def abandon(self) -> None:
        """Closes the stream, without the end of the file, whatever has failed; what is there is to be removed.

        A stream that is only dropped may still write to an object store later, behind the removal.
        """
        self._held, self.n_held = [], 0
        self._tail.is_held = True
        with contextlib.suppress(pa.ArrowException, OSError, ValueError):
            self._writer.close()
        self._close_sink()

    def _close_sink(self) -> None:
        with contextlib.suppress(pa.ArrowException, OSError, ValueError):
            self._sink.close()

    def flush(self) -> None:
        """Writes the rows that are held, as a row group."""
        if self._held:
            rows = pa.concat_tables(self._held)
            self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self._held, self.n_held = [], 0


class _Tail(io.RawIOBase):
    """Hands bytes on, and keeps the last ones: Arrow writes nothing but the footer when a file is closed."""

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink, self._n_bytes = sink, 0
        self.is_held, self.held = False, io.BytesIO()

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The number of bytes so far."""
        return self._n_bytes

    def write(self, data: object) -> int:
        """Takes in further bytes."""
        view = bytes(data)  # type: ignore[call-overload]
        (self.held if self.is_held else self._sink).write(view)
        self._n_bytes += len(view)
        return len(view)
