"""A text file as a stream of UTF-8 blocks: unpacked, decoded, its byte order mark taken off, checked for NUL bytes."""

import bz2
import codecs
import gzip
import lzma
import zlib
from types import TracebackType
from typing import BinaryIO, cast

import pyarrow as pa

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.no_table import what_it_is
from lakebed.connectors.lake.text.encodings import wide_encoding
from lakebed.connectors.object_client import is_busy, store_error

BLOCK_BYTES = 1 << 22
_LARGE_READ = 1 << 26

_ENCODING_HINT = "set `lake.text.encoding` to the file's encoding (e.g. latin-1, cp1252, utf-16)"
# UTF-32 first: its little-endian mark begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class TextStream:
    """Bytes of one text file, as UTF-8; a file-like object that Arrow's readers accept.

    Text that is said to be UTF-8 is passed on as it is: the parsers check it. A byte order mark wins over the config.

    `encoding` is that of the file, and `has_mark` says whether a byte order mark tells it.

    Args:
        root: of the lake.
        path: relative to the root; `.gz`, `.bz2`, `.xz` or `.zst` at its end means that it is packed.
        encoding: used unless the file begins with a byte order mark.
    """

    def __init__(self, root: str, path: str, encoding: str) -> None:
        self._given = (root, path, encoding)
        self.path = path
        self.closed = False
        self.is_at_end = False
        self.has_mark = False
        self.notes: tuple[str, ...] = ()
        self.encoding = _known_encoding(encoding)
        self._file = _open(root, path)
        self.n_bytes = _size(self._file)
        self._source = _unpacked(self._file, path)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._pending = b""
        self._start()

    def __enter__(self) -> "TextStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self.closed = True
            self._source.close()
            self._file.close()

    def again(self) -> "TextStream":
        """The same text, from its beginning."""
        return TextStream(*self._given)

    def readable(self) -> bool:
        """True: part of what Arrow asks of a file."""
        return True

    def peek(self, n_bytes: int) -> bytes:
        """At least the next `n_bytes` bytes, or all there are, without taking them."""
        parts, n_have = [self._pending], len(self._pending)
        while n_have < n_bytes and not self.is_at_end:
            parts.append(self._next(max(BLOCK_BYTES, min(n_bytes - n_have, _LARGE_READ))))
            n_have += len(parts[-1])
        self._pending = b"".join(parts) if len(parts) > 1 else parts[0]
        return self._pending

    def skip(self, n_bytes: int) -> None:
        """Drop bytes that `peek` has shown."""
        self._pending = self._pending[n_bytes:]

    def read(self, n_bytes: int = -1) -> bytes:
        """The next `n_bytes` bytes, fewer only at the end (Arrow takes a short read for a whole block).

        Raises:
            SourceError: if the file cannot be read on, unpacked or decoded, or holds a NUL byte.
        """
        available = self.peek(1 << 62 if n_bytes < 0 else n_bytes)
        taken, self._pending = (available, b"") if n_bytes < 0 else (available[:n_bytes], available[n_bytes:])
        return taken

    def _start(self) -> None:
        head = self._raw(BLOCK_BYTES)
        if self.encoding == "utf-8" and (guess := wide_encoding(head)):
            self.encoding = guess
            self.notes = (f"read as {guess}: every other byte is zero",)
        if what := what_it_is(head):
            raise SourceError(f"{self.path} is no table", value=what, hint="leave it out with `lake.exclude`")
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                self.notes = ()
                self.encoding, self.has_mark, head = encoding, True, head[len(mark) :]
                break
        if self.encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        self._pending = self._checked(head)

    def _next(self, n_bytes: int) -> bytes:
        return self._checked(self._raw(n_bytes))

    def _raw(self, n_bytes: int) -> bytes:
        alive()
        try:
            block = self._source.read(n_bytes)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise SourceError(
                f"cannot unpack {self.path}",
                value=str(error),
                expected="a whole file, packed as its ending says",
                hint="restore the file, or leave it out with `lake.exclude`",
            ) from error
        except OSError as error:
            # Arrow's clients of object stores give no number
            if error.errno is None and is_busy(str(error)):
                raise store_error(str(error), "read the object", self.path, SourceError) from error
            what = "read" if error.errno else "unpack"
            raise SourceError(f"cannot {what} {self.path}", value=error.strerror or str(error)) from error
        self.is_at_end = not block
        return block

    def _checked(self, block: bytes) -> bytes:
        if self._decoder is not None:
            try:
                block = self._decoder.decode(block, final=self.is_at_end).encode()
            except UnicodeError as error:
                raise encoding_error(self.path, str(error)) from error
        if b"\0" in block:
            raise SourceError(
                f"NUL bytes in {self.path}",
                value="a binary file, or text in UTF-16 or UTF-32 without a byte order mark",
                expected="text",
                hint=_ENCODING_HINT + ", or leave the file out with `lake.exclude`",
            )
        return block


class EncodingError(SourceError):
    """Bytes that are no text in the expected encoding."""


def encoding_error(path: str, what: str) -> EncodingError:
    """The error for bytes that are no text in the expected encoding."""
    return EncodingError(
        f"{path} is not in the expected encoding",
        value=what,
        expected="UTF-8, unless the config or a byte order mark says otherwise",
        hint=_ENCODING_HINT,
    )


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise ConfigError(
            "unknown character encoding",
            value=name,
            expected="a name Python knows, e.g. utf-8, latin-1, cp1252",
            hint="set `lake.text.encoding`",
        ) from error


def _open(root: str, path: str) -> BinaryIO:
    try:
        return cast("BinaryIO", open_file(root, path))
    except OSError as error:
        raise SourceError(
            f"cannot open {path}",
            value=error.strerror or str(error),
            expected="a file that may be read",
            hint="give this user the right to read it, or leave it out with `lake.exclude`",
        ) from error


def _size(file: BinaryIO) -> int:
    n_bytes = file.seek(0, 2)
    file.seek(0)
    return n_bytes


def _unpacked(file: BinaryIO, path: str) -> BinaryIO:
    ending = path.lower().rpartition(".")[2]
    if ending == "gz":
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if ending == "bz2":
        return cast("BinaryIO", bz2.BZ2File(file))
    if ending == "xz":
        return cast("BinaryIO", lzma.LZMAFile(file))
    return cast("BinaryIO", pa.CompressedInputStream(file, "zstd")) if ending == "zst" else file
