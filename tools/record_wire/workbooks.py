"""Excel workbooks, written by hand so that they are the same bytes each time."""

import base64
import lzma
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from tools.record_wire.tables import zipped

_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPES: Final = f"""<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"""

XLS: Final = lzma.decompress(
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

Rows = Sequence[Sequence[str | float]]


def xlsx(sheets: Mapping[str, Rows]) -> bytes:
    """A workbook of named sheets."""
    numbered = list(enumerate(sheets, start=1))
    listed = "".join(f'<sheet name="{escape(name)}" sheetId="{at}" r:id="rId{at}"/>' for at, name in numbered)
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at, _ in numbered
    )
    members = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        **{f"xl/worksheets/sheet{at}.xml": _sheet(rows) for at, rows in enumerate(sheets.values(), start=1)},
    }
    return zipped(**{name: text.encode() for name, text in members.items()})


def _sheet(rows: Rows) -> str:
    lines = "".join(
        f'<row r="{at}">{"".join(_cell(value) for value in row)}</row>' for at, row in enumerate(rows, start=1)
    )
    return f'<?xml version="1.0"?><worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"
