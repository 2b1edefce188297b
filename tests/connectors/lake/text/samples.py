"""Small text files of other people's kinds, each with the rows that it holds, or with why it is refused.

A row is a list of texts, None where nothing is; the first is that of the column names. Written by hand, or by the
standard library's writers, never by what is tested.
"""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Iterator
from dataclasses import dataclass

Row = list[str | None]


@dataclass(frozen=True)
class Sample:
    """A file, and its rows; `refused` is part of the reason where it has none."""

    name: str
    data: bytes
    rows: tuple[Row, ...] = ()
    refused: str = ""


CONTENTS: dict[str, list[list[str]]] = {
    "plain": [["id", "name"], ["1", "a"], ["2", "b"]],
    "commas": [["id", "name"], ["1", "a, b; c | d\te"], ["2", "b"]],
    "quotes": [["id", "name"], ["1", 'say "hi"'], ["2", '"']],
    "breaks": [["id", "name", "x"], ["1", "two\nlines", "1"], ["2", "b\r\nc", "2"]],
    "wide": [["id", *[f"column {n}" for n in range(40)]], *[[str(n), *["x"] * 40] for n in range(3)]],
}


def written() -> Iterator[Sample]:
    """What Python's own writer makes of rows, by delimiter, quoting and line end."""
    for delimiter, ending in ((",", "csv"), (";", "csv"), ("\t", "tsv"), ("|", "psv.csv"), ("\x01", "csv")):
        for kind, rows in CONTENTS.items():
            for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
                if delimiter in "\t\x01" and kind == "breaks":
                    continue  # lines of a TSV that are rows by themselves: see `odd_quotes`
                out = io.StringIO()
                csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
                name = f"{kind} by {ord(delimiter)} {'all' if quoting else 'few'}.{ending}"
                yield Sample(name, out.getvalue().encode(), tuple([list(row) for row in rows]))


def encoded() -> Iterator[Sample]:
    """Texts in other encodings, with and without a byte order mark, and packed."""
    texts = {
        "cp1252": "name,stadt\nMüller,Köln\nSchröder,Düsseldorf\nJosé,São Paulo\n",
        "mac_roman": "name,city\nJosé,Málaga\nZoë,Curaçao\nRésumé,“naïve”\n",
        "cp1251": "имя,город\nИван,Москва\nОльга,Казань\n",  # noqa: RUF001
        "cp1250": "name,miasto\nŠtěpán,Łódź\nAnna,Opole\n",
        "cp932": "名前,都市\n太郎,東京\n花子,大阪\n",
        "utf-8-sig": "a,b\né,1\n",
        "utf-16": "a,b\né,1\nü,2\n",
        "utf-16-le": "alpha,beta\ngamma,1\ndelta,2\n",
        "utf-16-be": "alpha,beta\ngamma,1\ndelta,2\n",
        "utf-32": "a,b\né,1\n",
    }
    for encoding, text in texts.items():
        rows: tuple[Row, ...] = tuple([[*row] for row in csv.reader(io.StringIO(text))])
        yield Sample(f"{encoding}.csv", text.encode(encoding), rows)
    damaged = "a,b\né,1\nü,2\n".encode() + b"\xe9,3\n"
    yield Sample("damaged.csv", damaged, refused="encoding")
    plain, rows = b"a,b\n1,x\n2,y\n", (["a", "b"], ["1", "x"], ["2", "y"])
    for ending, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        yield Sample(f"packed.csv.{ending}", pack(plain), rows)
        yield Sample(f"packed half.csv.{ending}", pack(plain * 400)[:-20], refused="unpack")
    yield Sample("packed twice.csv.gz", gzip.compress(plain) + gzip.compress(b"3,z\n"), (*rows, ["3", "z"]))
    yield Sample("gzip by another name.csv", gzip.compress(plain), refused="gzip")


def first_lines() -> Iterator[Sample]:
    """What stands before the header, and below the rows."""
    rows = (["id", "name"], ["1", "a"], ["2", "b"])
    for delimiter in (",", ";", "\t", "|"):
        body = "id,name\n1,a\n2,b\n".replace(",", delimiter)
        yield Sample(f"note {ord(delimiter)}.csv", f"# made by x\n{body}".encode(), rows)
        yield Sample(f"notes {ord(delimiter)}.csv", f"# made by x\n#\n# of y\n\n{body}".encode(), rows)
        yield Sample(f"title {ord(delimiter)}.csv", f"Report of May\n\n{body}".encode(), rows)
        yield Sample(f"sep {ord(delimiter)}.csv", f"sep={delimiter}\r\n{body}".encode(), rows)
        yield Sample(f"between {ord(delimiter)}.csv", f"# x\n{body}# the end\n".encode(), rows)
    yield Sample("blank lines.csv", b"\n\r\n\nid,name\n1,a\n\n2,b\n\n", rows)
    yield Sample("padded title.csv", b"Report,\nid,name\n1,a\n2,b\n", rows)
    wide = (["id", "name", "x"], ["1", "a", "5"], ["2", "b", None])
    for delimiter in (",", ";", "\t", "|"):
        body = "id,name,x\n1,a,5\n2,b,\n"
        for kind, before in {
            "": "Report,,\n,,\n",
            " twice": "Report,,\nof May,,\n,,\n",
            " apart": "Report\n,,\n",
            " none": ",,\n",
        }.items():
            data = (before + body).replace(",", delimiter).encode()
            yield Sample(f"padded title{kind} {ord(delimiter)}.csv", data, wide)
    yield Sample("words with commas.csv", b"name\nDoe, John\nRoe, Jane\n", refused="ragged")
    yield Sample("only white space.csv", b" \n\n", refused="white space")
    yield Sample("nothing.csv", b"", refused="empty")


def titles() -> Iterator[Sample]:
    """What stands over a header and is none, or over rows that have none."""
    rows = (["id", "name"], ["1", "a"], ["2", "b"])
    years = (["land", "2019", "2020"], ["Chad", "1", "2"], ["Mali", "3", None])
    for delimiter in (",", ";", "\t", "|"):
        for kind, before in {"": "People by year\n\n", " padded": "People by year,,\n,,\n"}.items():
            data = (before + "land,2019,2020\nChad,1,2\nMali,3,\n").replace(",", delimiter).encode()
            yield Sample(f"title{kind} over years {ord(delimiter)}.csv", data, years)
    yield Sample("one cell over what may be a year.csv", b"Chad,\nMali,2019\nTogo,12\n",
                 (["Chad", "c2"], ["Mali", "2019"], ["Togo", "12"]))  # fmt: skip
    words = (["first", "last", "city"], ["ann", "lee", "rome"], ["bob", "ray", "oslo"])
    text = "".join(",".join(map(str, row)) + "\n" for row in words)
    yield Sample("padded title over words.csv", f"Report of May,,\n,,\n{text}".encode(), words)
    yield Sample("empty row over words.csv", f",,\n{text}".encode(), (["c1", "c2", "c3"], [None] * 3, *words))
    yield Sample("title over words.tsv", f"Report of May\n{text}".replace(",", "\t").encode(), words)
    yield Sample("title over words.csv", f"Report of May\n{text}".replace(",", ";").encode(), words)
    yield Sample("genres.csv", b"genres\nWar|Noir|Action\nDrama|War|Noir\n",
                 (["genres"], ["War|Noir|Action"], ["Drama|War|Noir"]))  # fmt: skip
    yield Sample("survey.csv", b"Which one?,,\nRed,Green,Blue\nyes,no,no\n",
                 (["Which one?", "c2", "c3"], ["Red", "Green", "Blue"], ["yes", "no", "no"]))  # fmt: skip
    yield Sample("title and blanks.csv", b"Report of May\n  \nid,name\n1,a\n2,b\n", rows)
    yield Sample("line separator in a note.csv", "# a\u2028b\nid,name\n1,a\n2,b\n".encode(), rows)
    yield Sample("line tabulation in a title.csv", b"Report\x0bof May\nid,name\n1,a\n2,b\n", rows)


def notes_with_headers() -> Iterator[Sample]:
    """A comment that is the header, or that is none though it has commas."""
    rows = (["id", "name"], ["1", "a"], ["2", "b"])
    yield Sample("header in a note.csv", b"# by x\n# id,name\n1,a\n2,b\n", rows)
    for name, text in {
        "of words": "# city,country\nParis,France\nRome,Italy\nOslo,Norway\n",
        "of words, below another": "# by x\n# city,country\nParis,France\nRome,Italy\nOslo,Norway\n",
        "of words, with blanks": "# the city,its country\nParis,France\nRome,Italy\n",
        "of numbers, with blanks": "# id,full name\n1,Ann Lee\n2,Bob Ray\n",
        "of numbers, apart": "# x, y\n1.5, 2\n2.5, 3\n",
        "of years": "# country,2019,2020\nChad,1,2\nMali,3,4\n",
        "of bars": "# city|home country\nParis|France\nRome|Italy\n",
        "with a gap below": "# name,age\nAnn,\nBob,3\nCy,4\n",
    }.items():  # fmt: skip
        cells = [line.split("|" if "|" in line else ",") for line in text.splitlines() if line != "# by x"]
        named = tuple([[cell.removeprefix("# ") or None for cell in row] for row in cells])
        yield Sample(f"header in a note, {name}.csv", text.encode(), named)
    towns = (["city", "country"], ["Paris", "France"], ["Rome", "Italy"])
    for name, line in {
        "prose": "# by x, of May", "a source": "# source: OECD,WHO", "an address": "# from https://a.org/b,c",
        "the same": "# city,country", "nearly the same": "# the columns are city,Country", "a number": "# version,2",
        "rows": "# Oslo,Norway\n# Bern,Switzerland", "a gap": "# city,", "words twice": "# text,text",
    }.items():  # fmt: skip
        yield Sample(f"header below {name}.csv", f"{line}\ncity,country\nParis,France\nRome,Italy\n".encode(), towns)
    yield Sample("header below typed words.csv", b"# a,b\nname,age\nAnn,3\nBob,4\n",
                 (["name", "age"], ["Ann", "3"], ["Bob", "4"]))  # fmt: skip
    yield Sample("words in a note.csv", b"# by x, of May\n1,2\n3,4\n", (["c1", "c2"], ["1", "2"], ["3", "4"]))
    yield Sample("header after a hash.csv", b"#id,name\n1,a\n2,b\n", (["#id", "name"], *rows[1:]))


def headers() -> Iterator[Sample]:
    """Headers that look like data, and data that looks like headers."""
    cases = {
        "year": "district,2021\nAK-1,-14.6\nAL-1,-31.9\n",
        "years": "country,code,2019,2020\nChad,TCD,1,2\nMali,MLI,4,5\n",
        "days": "country,2020-01-22,2020-01-23\nChad,1,2\nMali,4,5\n",
        "numbers": "id,1,2,3\nx,4,5,7\ny,5,1,2\n",
        "again": "type,name\ntype,foo\nname,bar\nkind,baz\n",
        "words": "name,city\nanna,rome\nben,paris\n",
        "twice": "a,a,b\n1,2,3\n4,5,6\n",
        "blanks": "first name , city\nanna,rome\nben,oslo\n",
        "one column": "name\nanna\nben\n",
        "no rows": "a,b\n",
    }
    for name, text in cases.items():
        yield Sample(f"header {name}.csv", text.encode(), tuple([[*row] for row in csv.reader(io.StringIO(text))]))
    yield Sample("index.csv", b",Condition,Owner\n0,Condition,Owner\n1,Rabies,John\n",
                 (["c1", "Condition", "Owner"], ["0", "Condition", "Owner"], ["1", "Rabies", "John"]))  # fmt: skip
    yield Sample("gap.csv", b"q1,,q2\nResponse,Other,Response\nyes,,no\n",
                 (["q1", "c2", "q2"], ["Response", "Other", "Response"], ["yes", None, "no"]))  # fmt: skip
    yield Sample("trailing.csv", b"a,b,\n1,x,\n2,y,\n", (["a", "b", "c3"], ["1", "x", None], ["2", "y", None]))
    yield Sample("trailing rows.csv", b"a,b\n1,x,\n2,y,\n", (["a", "b", "c3"], ["1", "x", None], ["2", "y", None]))
    yield Sample("row names.csv", b"mpg,cyl\nMazda,21.0,6\nFiat,32.4,4\n",
                 (["c1", "mpg", "cyl"], ["Mazda", "21.0", "6"], ["Fiat", "32.4", "4"]))  # fmt: skip
    for name, text in {
        "quoted row names.csv": '"a","b"\n"x",1,2\n"y",3,4\n',
        "quoted row names between blanks.csv": '"a" "b"\n"x" 1 2\n"y" 3 4\n',
        "quoted row names.tsv": '"a"\t"b"\n"x"\t1\t2\n"y"\t3\t4\n', "row names and returns.csv": "a,b\rx,1,2\ry,3,4\r",
    }.items():  # fmt: skip
        yield Sample(name, text.encode(), (["c1", "a", "b"], ["x", "1", "2"], ["y", "3", "4"]))
    yield Sample("unnamed beside its name.csv", b"a,,c2\nx,1,y\nz,2,w\n",
                 (["a", "c2_", "c2"], ["x", "1", "y"], ["z", "2", "w"]))  # fmt: skip
    yield Sample("row names beside their name.csv", b"c1,b\nx,1,2\ny,3,4\n",
                 (["c1_", "c1", "b"], ["x", "1", "2"], ["y", "3", "4"]))  # fmt: skip
    yield Sample("blanks between.csv", b"x y\n1 2\n3 4\n", (["x", "y"], ["1", "2"], ["3", "4"]))
    yield Sample(
        "row names between blanks.csv", b"a b\nx 1 2\ny 3 4\n", (["c1", "a", "b"], ["x", "1", "2"], ["y", "3", "4"])
    )
    yield Sample("quotes and blanks.csv", b'"who" "age"\n"Ada L" 36\n"Bob" 41\n',
                 (["who", "age"], ["Ada L", "36"], ["Bob", "41"]))  # fmt: skip
    for name, cells in {
        "address": ["Main 12", "Oak 7", "Elm 101"],
        "street address": ["Main 12", "Oak 7", "Elm 101"],
        "home address": ["12 Main", "7 Oak", "101 Elm"],
        "plane": ["Boeing 747", "Airbus 320"],
        "phone": ["555 1234", "555 9876", "555 4321"],
    }.items():
        text = "".join(f"{cell}\n" for cell in (name, *cells))
        yield Sample(f"one column {name}.csv", text.encode(), tuple([cell] for cell in (name, *cells)))
    yield Sample("no header.csv", b"1,2\n3,4\n", (["c1", "c2"], ["1", "2"], ["3", "4"]))
    yield Sample("people.csv", b"anna,7\nben,8\ncleo,9\n", (["c1", "c2"], ["anna", "7"], ["ben", "8"], ["cleo", "9"]))
    yield Sample("states.csv", b"AK,2019\nAL,2020\n", (["c1", "c2"], ["AK", "2019"], ["AL", "2020"]))


def delimiters() -> Iterator[Sample]:
    """Texts that several delimiters cut evenly, with a first row of words, and without."""
    named = {
        "decimal commas with a unit.csv": (";", "Berlin;3,6 km\nRom;2,8 km\n"),
        "decimal commas below a comma.csv": (";", "price, EUR;n\n1,5;2\n2,5;3\n"),
        "words with commas.tsv": ("\t", "a, b\tc, d\te, f\ng, h\ti, j\tk, l\n"),
        "words with commas by bars.psv": ("|", "a, b|c, d\ne, f|g, h\n"),
        "names with commas.csv": (";", "Lee, Ann;Rome\nRay, Bob;Oslo\n"),
        "lists of numbers.csv": (",", "Ann,Rome,3;4\nBob,Oslo,5;6\n"),
        "tabs behind commas.csv": (",", "a,\tb,\tc\nd,\te,\tf\n"),
        "tabs before rows.csv": (",", "\ta,b\n\tc,d\n"),
        "tabs behind rows.csv": (",", "a,b\t\nc,d\t\n"),
    }
    unnamed = {
        "decimal commas.tsv": ("\t", "1,5\t2,5\t3,5\n4,5\t5,5\t6,5\n"),
        "decimal commas by tabs.csv": ("\t", "Berlin\t3,6\nRom\t2,8\n"),
        "decimal commas.csv": (";", "1,5;2,5;3,5\n4,5;5,5;6,5\n"),
        "decimal commas over words.csv": (";", "Berlin;3,6\nRom;2,8\n"),
        "decimal commas and points.csv": (";", "2020-01-01;1.234,50;2,00\n2020-01-02;2.345,75;3,00\n"),
        "decimal commas by bars.csv": ("|", "10:00|a;b|1,5\n11:00|c;d|2,5\n"),
        "lists of words.csv": (",", "1,a;b\n2,c;d\n"),
        "lists of words by semicolons.csv": (";", "1;a,b\n2;c,d\n"),
        "blanks behind commas.csv": (",", "1, a;b\n2, c;d\n"),
    }
    for name, (delimiter, text) in {**named, **unnamed}.items():
        rows: list[Row] = [[*line.split(delimiter)] for line in text.splitlines()]
        numbered: Row = [f"c{n}" for n in range(1, len(rows[0]) + 1)]
        yield Sample(f"evenly {name}", text.encode(), tuple(rows) if name in named else (numbered, *rows))
    yield Sample("one row short.tsv", b"a, b\tc\nd, e\tf\ng, h\ti\nj, k\n", refused="ragged")
    for delimiter, other in ((";", ","), (",", ";")):
        yield Sample(f"quoted {ord(other)}.csv", f'1{delimiter}"x{other}y"\n2{delimiter}"p{other}q"\n'.encode(),
                     (["c1", "c2"], ["1", f"x{other}y"], ["2", f"p{other}q"]))  # fmt: skip


def odd_quotes() -> Iterator[Sample]:
    """Quotes as other rules have them, and quotes that no rule allows."""
    rows = (["id", "s"], ["1", 'say "hi"'], ["2", "plain"])
    yield Sample("backslash.csv", b'id,s\n1,"say \\"hi\\""\n2,plain\n', rows)
    yield Sample("backslash.tsv", b'id\ts\n1\t"say \\"hi\\""\n2\tplain\n', (rows[0], ["1", '"say \\"hi\\""'], rows[2]))
    yield Sample("inches.csv", b'id,s\n1,5" pipe\n2,3" nail\n', (rows[0], ["1", '5" pipe'], ["2", '3" nail']))
    yield Sample("single.csv", b"id,s\n1,'a, b'\n2,'it''s'\n", (rows[0], ["1", "a, b"], ["2", "it's"]))
    yield Sample("backslash twice.csv", b'id,s\n1,"{\\"a\\":\\"b\\\\\\"c\\"}"\n2,"C:\\\\"\n',
                 (rows[0], ["1", '{"a":"b\\"c"}'], ["2", "C:\\"]))  # fmt: skip
    yield Sample("single, one more in each row.csv", b"id,s\n1,'a, b'\n2,'c, d'\n",
                 (rows[0], ["1", "a, b"], ["2", "c, d"]))  # fmt: skip
    yield Sample("single with double ones.csv", b"id,s\n1,'{\"a\": 1, \"b\": 2}'\n2,'c'\n",
                 (rows[0], ["1", '{"a": 1, "b": 2}'], ["2", "c"]))  # fmt: skip
    yield Sample("single with a backslash.csv", b"id,s\n1,'a\\'b, c'\n2,'d, e'\n", refused="ragged")
    yield Sample("heroes between bars.csv", b'ns|title\n0|A\n0|"Heroes\n0|B\n0|C"\n',
                 (["ns", "title"], ["0", "A"], ["0", '"Heroes'], ["0", "B"], ["0", 'C"']))  # fmt: skip
    yield Sample("after between bars.csv", b'id|s\n1|"Swing it" magistern\n2|X\n',
                 (rows[0], ["1", '"Swing it" magistern'], ["2", "X"]))  # fmt: skip
    yield Sample("backslash between bars.csv", b'id|s\n1|"say \\"hi\\""\n2|plain\n', rows)
    yield Sample("real lines between bars.csv", b'id|s\n1|"two\nlines"\n2|X\n',
                 (rows[0], ["1", "two\nlines"], ["2", "X"]))  # fmt: skip
    for name, text, cells in (
        ("numbers", '1|"foo\nbar|baz"\n2|q\n', (["1", "foo\nbar|baz"], ["2", "q"])),
        ("words", 'x|"foo\nbar|baz"\ny|q\n', (["x", "foo\nbar|baz"], ["y", "q"])),
        ("a number in one line", 'x|"foo\n7|baz"\n8|"q"\n', (["x", "foo\n7|baz"], ["8", "q"])),
        ("numbers in quotes", '1|"foo\n2|baz"\n2|"7"\n"3"|q\n', (["1", "foo\n2|baz"], ["2", "7"], ["3", "q"])),
    ):
        yield Sample(f"lines with bars over {name}.csv", f"id|s\n{text}".encode(), (rows[0], *cells))
    yield Sample("heroes.tsv", b'ns\ttitle\n0\tA\n0\t"Heroes\n0\tB\n0\tC"\n',
                 (["ns", "title"], ["0", "A"], ["0", '"Heroes'], ["0", "B"], ["0", 'C"']))  # fmt: skip
    yield Sample("after.tsv", b'id\ts\n1\t"Swing it" magistern\n2\tX\n',
                 (rows[0], ["1", '"Swing it" magistern'], ["2", "X"]))  # fmt: skip
    yield Sample("real lines.tsv", b'id\ts\n1\t"two\nlines"\n2\tX\n', (rows[0], ["1", "two\nlines"], ["2", "X"]))
    yield Sample("empty cell.csv", b'id,s\n1,""\n2,\n', (rows[0], ["1", ""], ["2", None]))
    refused = {
        "cut": b'id,s\n1,"abc"\n2,"hello wor', "middle": b'id,s\n1,"abc\n2,"def"\n3,ghi\n',
        "after": b'id,s\n1,"abc" d\n2,e\n', "blank after": b'id,s\n1,"abc" \n2,e\n',
        "never closed": b'id,s\n1,"\n2,e\n',
        "folder": b'id,s\n1,"say \\"hi\\""\n2,"C:\\dir"\n', "both": b'id,s\n1,"say \\"hi\\""\n2,"a ""b"""\n',
    }  # fmt: skip
    for name, data in refused.items():
        yield Sample(f"refused {name}.csv", data, refused="quote")
    ragged = {"more": b"a,b\n1,2\n1,2,3\n", "fewer": b"a,b\n1,2\n3\n4,5\n", "footer": b"a,b\n1,2\nTotal: 1\n"}
    for name, data in ragged.items():
        yield Sample(f"ragged {name}.csv", data, refused="ragged")


def no_tables() -> Iterator[Sample]:
    """Files that are something else than their names say."""
    heads = {
        "page.csv": (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "HTML"),
        "page 2.csv": (b"\n  <html>\n", "HTML"),
        "denied.csv": (b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>", "object store"),
        "lfs.csv": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git-lfs"),
        "licence.csv": (b"MIT License\n\nCopyright (c) 2020 X, Y\n", "licence"),
        "sheet.csv": (b"PK\x03\x04\x14\x00", "ZIP"),
        "parquet.csv": (b"PAR1\x15\x04\x15", "Parquet"),
        "nul.csv": (b"a,b\n1,\0\n", "NUL"),
        "lines.csv": (b'{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n', "JSON lines"),
    }
    for name, (data, reason) in heads.items():
        yield Sample(name, data, refused=reason)


def samples() -> list[Sample]:
    """All of them."""
    kinds = (written, encoded, first_lines, titles, notes_with_headers, headers, delimiters, odd_quotes, no_tables)
    return [sample for kind in kinds for sample in kind()]
