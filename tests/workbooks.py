"""Workbooks as Excel and LibreOffice write them, as little of each as a reader needs."""

import datetime as dt
import zipfile
from xml.sax.saxutils import escape, quoteattr

_EPOCH = dt.datetime(1899, 12, 30)
# cell formats of `_STYLES`: general, day, moment, time of day, span of time
_STYLES = """<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="4">
<numFmt numFmtId="164" formatCode="yyyy-mm-dd"/><numFmt numFmtId="165" formatCode="yyyy-mm-dd hh:mm:ss"/>
<numFmt numFmtId="166" formatCode="hh:mm:ss"/><numFmt numFmtId="167" formatCode="[hh]:mm:ss"/></numFmts>
<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="164"/>
<xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="167"/></cellXfs></styleSheet>"""
_MANIFEST = """<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">
<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>"""
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class Formula:
    """A formula, of which the result is stored."""

    def __init__(self, text, result):
        self.text, self.result = text, result


class Error(str):
    """What stands in a cell whose formula failed."""

    __slots__ = ()


def write_xlsx(path, **sheets):
    """Sheets by name, each a list of rows; None is an empty cell."""
    named = list(enumerate(sheets, start=1))
    kinds = [_part(f"worksheets/sheet{n}.xml", "worksheet") for n, _ in named]
    links = [_link(n, "worksheet", f"worksheets/sheet{n}.xml") for n, _ in named]
    shown = "".join(f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>' for n, name in named)
    links.append(_link(0, "styles", "styles.xml"))
    members = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{_part('workbook.xml', 'sheet.main')}{_part('styles.xml', 'styles')}{''.join(kinds)}</Types>",
        "_rels/.rels": _links([_link(1, "officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{shown}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _links(links),
        "xl/styles.xml": _STYLES,
    }
    for n, name in named:
        lines = [
            f'<row r="{row}">{"".join(_excel_cell(cell, row, at) for at, cell in enumerate(cells))}</row>'
            for row, cells in enumerate(sheets[name], 1)
        ]
        data = f"<sheetData>{''.join(lines)}</sheetData>"
        members[f"xl/worksheets/sheet{n}.xml"] = f'<worksheet xmlns="{_MAIN}">{data}</worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


def _part(name, kind):
    return f'<Override PartName="/xl/{name}" ContentType="{_TYPE}.{kind}+xml"/>'


def _link(number, kind, target):
    return f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'


def _links(links):
    return f'<Relationships xmlns="{_RELATIONS}">{"".join(links)}</Relationships>'


def _excel_cell(value, row, column):
    if value is None:
        return "<c/>"
    if isinstance(value, Formula):
        return f"<c><f>{escape(value.text)}</f><v>{value.result}</v></c>"
    if isinstance(value, Error):
        place = f' r="{chr(65 + column)}{row}"' if column < 26 else ""
        return f'<c{place} t="e"><v>{escape(value)}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    number, style = _number(value)
    return f'<c s="{style}"><v>{number!r}</v></c>'


def _number(value):
    """What a time is stored as, and the format that makes it one."""
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) / dt.timedelta(days=1), 2
    if isinstance(value, dt.date):
        return (dt.datetime.combine(value, dt.time()) - _EPOCH).days, 1
    if isinstance(value, dt.time):
        return (dt.datetime.combine(_EPOCH, value) - _EPOCH) / dt.timedelta(days=1), 3
    return (value / dt.timedelta(days=1), 4) if isinstance(value, dt.timedelta) else (value, 0)


def write_ods(path, **sheets):
    """The same as OpenDocument."""
    tables = [
        f"<table:table table:name={quoteattr(name)}>"
        + "".join(f"<table:table-row>{''.join(map(_open_cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    ]
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    names += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    body = f"<office:body><office:spreadsheet>{''.join(tables)}</office:spreadsheet></office:body>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        file.writestr("META-INF/manifest.xml", _MANIFEST)
        file.writestr("content.xml", f"<office:document-content {names}>{body}</office:document-content>")


def _open_cell(value):
    kinds = (
        (bool, "boolean", "boolean-value", lambda value: str(value).lower()),
        (int | float, "float", "value", repr),
        (dt.date, "date", "date-value", lambda value: value.isoformat()),
        (dt.time, "time", "time-value", lambda value: value.strftime("PT%HH%MM%SS")),
    )
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, Error):
        kind = 'office:value-type="string" office:string-value="" calcext:value-type="error"'
        return f"<table:table-cell {kind}><text:p>{escape(value)}</text:p></table:table-cell>"
    for kind, name, attribute, shown in kinds:
        if isinstance(value, kind):
            return f'<table:table-cell office:value-type="{name}" office:{attribute}="{shown(value)}"/>'
    return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
