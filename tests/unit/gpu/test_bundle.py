"""What makes bundles for machines without network."""

import re
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.unit.docs.markdown import ROOT
from tools.gpu.bundle.slim import Slimmed, slim
from tools.gpu.bundle.unpack import line, unpack

SCRIPTS = sorted((ROOT / "tools" / "gpu" / "bundle").glob("*.sh"))


def entry(arch: int, size: int, kind: int = 2) -> bytes:
    head = struct.pack("<HHIQ", kind, 0, 64, size)
    return (head.ljust(28, b"\0") + struct.pack("<I", arch)).ljust(64, b"h") + bytes([arch]) * size


def container(*entries: bytes) -> bytes:
    content = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(content)) + content


def library(path: Path, fatbin: bytes | None) -> Path:
    """An ELF file of three sections: none, names, and the one that has code."""
    names = b"\0.shstrtab\0.nv_fatbin\0"
    body = fatbin or b""
    sections = struct.pack("<IIQQQQIIQQ", *[0] * 10)
    sections += struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    if fatbin is not None:
        sections += struct.pack("<IIQQQQIIQQ", 11, 1, 0, 0, 64 + len(names), len(body), 0, 0, 8, 0)
    table = 64 + len(names) + len(body)
    count = 3 if fatbin is not None else 2
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, count, 1)
    path.write_bytes(head + names + body + sections)
    return path


def test_code_for_other_devices_becomes_zeros_and_all_else_stays(tmp_path: Path) -> None:
    fatbin = container(entry(75, 80), entry(90, 40), entry(120, 24, kind=1)) + bytes(16) + container(entry(80, 8))
    path = library(tmp_path / "lib.so", fatbin)
    before = path.read_bytes()
    assert slim(path, 90) == Slimmed(kept=48, zeroed=104, whole=1)
    after = path.read_bytes()
    assert len(after) == len(before)
    expected = before.replace(bytes([75]) * 80, bytes(80)).replace(bytes([120]) * 24, bytes(24))
    assert after == expected


def test_a_library_without_such_code_is_left_alone(tmp_path: Path) -> None:
    path = library(tmp_path / "lib.so", None)
    before = path.read_bytes()
    assert slim(path, 90) is None
    assert path.read_bytes() == before


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("text, and not a short one")
    with pytest.raises(ValueError, match="ELF"):
        slim(path, 90)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_well_formed_and_name_no_host(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"https?://|index-url|==\d", text)


@pytest.mark.parametrize("script", ["bundle.sh", "raybundle.sh"])
def test_every_package_of_a_bundle_is_in_our_locks(script: str) -> None:
    text = (ROOT / "tools" / "gpu" / "bundle" / script).read_text(encoding="utf-8").replace("\\\n", " ")
    calls = re.findall(r"^pinned (\S+) ([a-z0-9 -]+?)\s*>", text, re.MULTILINE)
    assert calls
    for lock, names in calls:
        pinned = re.findall(
            r"^([a-z0-9-]+)==", (ROOT / "requirements" / lock).read_text(encoding="utf-8"), re.MULTILINE
        )
        assert set(names.split()) <= set(pinned)


def test_what_was_unpacked_is_found_before_all_else(tmp_path: Path) -> None:
    for name, text in (("a", "first"), ("b", "second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "carried.py").write_text(f"said = {text!r}")
        with tarfile.open(tmp_path / f"{name}.txz", "w:xz") as archive:
            archive.add(tmp_path / name / "carried.py", "carried.py")
    into = tmp_path / "site-packages"
    unpack([tmp_path / "a.txz", tmp_path / "b.txz"], into)
    (tmp_path / "pointing.pth").write_text(line([into]))
    code = f"import site; site.addsitedir({str(tmp_path)!r}); import carried, sys; print(carried.said, sys.path[0])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["second", str(into)]
