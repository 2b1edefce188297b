"""A server that speaks SQL Server's protocol (TDS 7.4, of Microsoft's MS-TDS) on loopback, with answers from a test.

It knows logins, transactions and batches of SQL, and each answer is a list of rows of text, bytes, bits and nulls. It
runs no SQL.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lakebed.connectors.sqlserver.client import IN_TRANSACTION

_ANSWER, _BATCH, _LOGIN, _PRELOGIN = 4, 1, 16, 18
_LEFT = 4096 - 8
_TRANSACTION = b"\x07" * 8
_NULL = b"\xff" * 8
_TEXT = b"\xe7\xff\xff\x09\x04\xd0\0\x34"

Row = Sequence[str | bytes | bool | None]


class Refusal(Exception):
    """An error of the server, by its number; some end the transaction."""

    def __init__(self, number: int, text: str, *, rolls_back: bool = False) -> None:
        super().__init__(text)
        self.number, self.rolls_back = number, rolls_back


@dataclass
class TdsServer:
    """What it was asked, each with whether in the transaction that was begun; who logged in to what, reading only."""

    answer: Callable[[str], Sequence[Row]]
    password: str
    port: int = 0
    asked: list[tuple[str, bool]] = field(default_factory=list)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        """Answers one client until it goes."""
        with connection, contextlib.suppress(OSError, EOFError):
            while True:
                kind, data = _received(connection)
                if kind == _PRELOGIN:
                    _send(connection, struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF) + b"\x0f\0\0\0\0\0" + b"\x02")
                elif kind == _LOGIN:
                    _send(connection, self._login(data))
                elif kind == _BATCH:
                    _send(connection, self._batch(data))

    def _login(self, data: bytes) -> bytes:
        def text(place: int) -> bytes:
            start, n_chars = struct.unpack_from("<HH", data, place)
            return data[start : start + 2 * n_chars]

        plain = bytes(((byte ^ 0xA5) << 4 | (byte ^ 0xA5) >> 4) & 0xFF for byte in text(44)).decode("utf-16-le")
        user, database = (text(place).decode("utf-16-le") for place in (40, 68))
        self.logins.append((user, database, bool(data[26] & 0x20)))
        if plain != self.password:
            return _error(18456, f"Login failed for user '{user}'.") + _done(2)
        name = "Microsoft SQL Server"
        body = b"\x01\x74\0\0\x04" + bytes([len(name)]) + name.encode("utf-16-le") + b"\x0f\0\0\0"
        return b"\xad" + struct.pack("<H", len(body)) + body + _done(0)

    def _batch(self, data: bytes) -> bytes:
        (n_headers,) = struct.unpack_from("<I", data)
        sql = data[n_headers:].decode("utf-16-le")
        self.asked.append((sql, _TRANSACTION in data[:n_headers]))
        try:
            rows = self.answer(sql)
        except Refusal as error:
            ended = b"\xe3" + struct.pack("<HBBB", 11, 10, 0, 8) + _TRANSACTION if error.rolls_back else b""
            return ended + _error(error.number, str(error)) + _done(2)
        if sql == IN_TRANSACTION:
            rows = [[_TRANSACTION in data[:n_headers]]]
        if sql == "BEGIN TRANSACTION":
            return b"\xe3" + struct.pack("<HBB", 11, 8, 8) + _TRANSACTION + b"\0" + _done(0)
        return _table(rows) + _done(0x10) if rows else _done(0)


@contextlib.contextmanager
def tds_server(answer: Callable[[str], Sequence[Row]], password: str) -> Iterator[TdsServer]:
    """The server; `answer` gives the rows of a batch, or raises a `Refusal`."""
    server = TdsServer(answer, password)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(server, listener), daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(server: TdsServer, listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=server.serve, args=(connection,), daemon=True).start()


def _received(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while True:
        kind, is_last, length = struct.unpack(">BBH4x", _exactly(connection, 8))
        data += _exactly(connection, length - 8)
        if is_last & 1:
            return kind, data


def _exactly(connection: socket.socket, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes:
        block = connection.recv(n_bytes - len(data))
        if not block:
            raise EOFError
        data += block
    return data


def _send(connection: socket.socket, data: bytes) -> None:
    parts = [data[start : start + _LEFT] for start in range(0, len(data), _LEFT)]
    for number, part in enumerate(parts, 1):
        is_last = number == len(parts)
        connection.sendall(struct.pack(">BBHHBB", _ANSWER, is_last, len(part) + 8, 0, number % 256, 0) + part)


def _table(rows: Sequence[Row]) -> bytes:
    """Columns of nvarchar(max), of varbinary(max) where a cell has bytes, and of bit where it is a bool."""
    columns = [{type(cell) for cell in column} for column in zip(*rows, strict=True)]
    out = b"\x81" + struct.pack("<H", len(columns))
    for types in columns:
        kind = b"\x68\x01" if bool in types else b"\xa5\xff\xff" if bytes in types else _TEXT
        out += struct.pack("<IH", 0, 1) + kind + b"\0"
    return out + b"".join(b"\xd1" + b"".join(map(_cell, row)) for row in rows)


def _cell(value: str | bytes | bool | None) -> bytes:
    if isinstance(value, bool):
        return bytes([1, value])
    if value is None:
        return _NULL
    data = value.encode("utf-16-le") if isinstance(value, str) else value
    chunk = struct.pack("<I", len(data)) + data if data else b""
    return struct.pack("<Q", len(data)) + chunk + b"\0\0\0\0"


def _error(number: int, text: str) -> bytes:
    said = struct.pack("<H", len(text)) + text.encode("utf-16-le")
    body = struct.pack("<iBB", number, 1, 14) + said + b"\0\0" + struct.pack("<i", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _done(status: int) -> bytes:
    return struct.pack("<BHHQ", 0xFD, status, 0, 0)
