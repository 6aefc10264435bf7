"""Excel workbooks written by hand, so that tests can also write what no program would."""

import base64
import io
import lzma
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"""
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
# Styles: 0 plain, 1 a date, 2 a date and a time, 3 a time.
_STYLES = f"""<?xml version="1.0"?><styleSheet {NAMESPACE}><cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14"/>
<xf numFmtId="22"/><xf numFmtId="21"/></cellXfs></styleSheet>"""
DATE, MOMENT, TIME = 1, 2, 3

XLS = lzma.decompress(
    base64.b85decode(
        b"T>t<81poj4|NsC0{{Uz+z8r=ycVP6SgepJ`9Cjyy@{xwzh{`9r;h?w11QTbQ&6v4qH5DqE;RDmf=*-ddOF!ADBJp6^u*dE%)j~d{"
        b"qlzMTfmIQ38#MY4`=iQc0LNj?E2yB6I4}u}%N>gz-_b`H4Rqu1*e8#bC}XCrObY5-I-IZ7@B>D*#y4PEm=sEa$Cs90zi58uIB=>B"
        b"5BWQ{9?2A^he@pPr}6mETlgIeMr4s0Wed4hY@jAdIEn?HD(WjC^t<!$MR>EOP3$bIEo4T=ryS>6;9lu@gHNN4y*iJoleVj~=@#G#"
        b"4rwmUlFm}c=^Z{z={YSnL$|$qN=3G;;gUYE{}@6e(Q?@<5u7~J#9yd+KyXfn>)tF~b*<Wa4`dQM(j{HQWuln_MlDZ?VY1nNvP4G+"
        b"LjW!iBb-|{R?fhHcTD!dVp9Tawg6w6cMi1(G2LFDm7l0NH<Fw-4y+wv4J*S~OS~f?I&g4x&c*xPfZ|Q`w`E$_kP>e~-n4#6C0~v;"
        b"%C#NPn?E*=Hl3j8js5Cy4ErWLO)*Z@9qUSVh>NW^N_)Ml1eJ?zXQ#>$GqWsiOTmDqYL39;^ffS{sghdY7TpM3YxnqTcF{6Y!@fAH"
        b"LJQ>oVm1K+zI}%gvs}qHx;Xz>UhW+DF9|~rpNq_233;TugPD7!l7weUuGZuJnqu2vg4jl;{v7mHT3v0sOlri~WPU@=z>q)y;fl1y"
        b"36(wii-nG3)<rzoZ+k(3<AdK?2RRU&%vpFeU!79)pHF08Y*@2RLVEO}cE;47+$}>5!5=pZ{j|G8"
    )
)
"""An old workbook: sheet ``graph`` with columns src, dst, n, t and two rows."""


def cell(value: str | float | bool | None, style: int = 0) -> str:
    """A cell without its position."""
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c s="{style}"><v>{value}</v></c>'


def sheet(rows: Sequence[Sequence[str | float | bool | None]]) -> str:
    """The XML of a sheet. A text that begins with ``<c`` is the cell itself."""
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = "".join(value if isinstance(value, str) and value.startswith("<c") else cell(value) for value in row)
        lines.append(f'<row r="{number}">{cells}</row>')
    return sheet_xml("".join(lines))


def sheet_xml(rows: str, prologue: str = "") -> str:
    """The XML of a sheet with these rows."""
    return f'<?xml version="1.0"?>{prologue}<worksheet {NAMESPACE}><sheetData>{rows}</sheetData></worksheet>'


def xlsx(sheets: Mapping[str, str], more: Mapping[str, str | bytes] | None = None) -> bytes:
    """A workbook of named sheets, each its XML, and of further members."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(sheets, start=1)
    )
    rels = "".join(
        f'<Relationship Id="rId{number}" Type="{_REL}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in enumerate(sheets, start=1)
    )
    rels += f'<Relationship Id="rIdS" Type="{_REL}/sharedStrings" Target="sharedStrings.xml"/>'
    rels += f'<Relationship Id="rIdT" Type="{_REL}/styles" Target="styles.xml"/>'
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" '
        f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {NAMESPACE} xmlns:r="{_REL}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{rels}</Relationships>',
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f"<sst {NAMESPACE}><si><t>shared</t></si></sst>",
        **{f"xl/worksheets/sheet{number}.xml": xml for number, xml in enumerate(sheets.values(), start=1)},
        **(more or {}),
    }
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()
