import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.text import stream as text_stream
from lakebed.connectors.lake.text.stream import TextStream


def whole(folder: Path, data: bytes, encoding: str = "utf-8", name: str = "t") -> bytes:
    (folder / name).write_bytes(data)
    with TextStream(str(folder), name, encoding) as stream:
        return stream.read()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_wins(tmp_path: Path, encoding: str) -> None:
    assert whole(tmp_path, "aé😀\n".encode(encoding), "latin-1").decode() == "aé😀\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be", "shift-jis"])
def test_text_is_decoded_as_the_config_says(tmp_path: Path, encoding: str) -> None:
    text = "aé\n" if encoding != "shift-jis" else "aア\n"
    assert whole(tmp_path, text.encode(encoding), encoding).decode() == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff")), st.lists(st.integers(1, 5), min_size=1))
def test_reads_of_any_size_give_the_same_bytes(text: str, sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(text_stream, "BLOCK_BYTES", 3)
        Path(folder, "t").write_bytes(text.encode("utf-16"))
        with TextStream(folder, "t", "utf-8") as stream:
            parts, i = [], 0
            while part := stream.read(sizes[i % len(sizes)]):
                assert len(part) == sizes[i % len(sizes)] or len(b"".join([*parts, part])) == len(text.encode())
                parts.append(part)
                i += 1
    assert b"".join(parts) == text.encode()


def test_peek_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"abcdef")
    with TextStream(str(tmp_path), "t", "utf-8") as stream:
        assert stream.peek(2)[:2] == b"ab"
        stream.skip(1)
        assert (stream.read(2), stream.read(-1), stream.read(3)) == (b"bc", b"def", b"")
        assert (stream.n_bytes, stream.is_at_end) == (6, True)


def test_gzip_of_several_members(tmp_path: Path) -> None:
    assert whole(tmp_path, gzip.compress(b"ab") + gzip.compress(b"cd"), name="t.GZ") == b"abcd"


@pytest.mark.parametrize(
    ("data", "encoding", "name", "message"),
    [
        (b"a\0b", "utf-8", "t", "NUL bytes"),
        (b"a\xff", "ascii", "t", "not in the expected encoding"),
        (b"a\x00b", "utf-16-le", "t", "not in the expected encoding"),
        (gzip.compress(b"abc" * 100)[:-9], "utf-8", "t.gz", "cannot unpack"),
        (b"plain", "utf-8", "t.gz", "cannot unpack"),
    ],
)
def test_what_is_no_text(tmp_path: Path, data: bytes, encoding: str, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        whole(tmp_path, data, encoding, name)
