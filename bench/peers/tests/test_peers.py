"""Each peer of the benchmarks has its lock, and one that cannot be started says why."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.peers import roster
from bench.peers.roster import PEERS
from bench.servers import ROOT

LOCKS = ROOT / "requirements" / "peers"


def test_every_environment_has_a_lock_and_every_lock_a_peer() -> None:
    locked = {path.stem for path in LOCKS.glob("*.lock")}
    assert locked == {peer.environment for peer in PEERS if peer.environment is not None}
    assert locked == {path.stem for path in LOCKS.glob("*.in")}


@pytest.mark.parametrize(
    "path", sorted([*LOCKS.glob("*.lock"), *LOCKS.glob("*.source.txt")]), ids=lambda path: path.name
)
def test_every_package_is_locked_by_its_hash(path: Path) -> None:
    text = path.read_text()
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[A-Za-z0-9._\[\]-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text


def test_names_are_unique() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)


def test_whoever_is_not_installed_says_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "ENVIRONMENTS", tmp_path)
    peer = next(peer for peer in PEERS if peer.name == "LitServe")
    assert peer.lacking() == "not installed (make peers)"
    (tmp_path / "litserve").mkdir()
    (tmp_path / "litserve" / ".installed").touch()
    assert peer.lacking() is None


def test_a_missing_program_is_named_with_its_package() -> None:
    peer = replace(PEERS[0], programs=(("no-such-program-here", "its-package"),))
    assert peer.lacking() == "no no-such-program-here on the PATH (Debian: its-package)"


def test_what_peers_are_started_with_is_there() -> None:
    source = (ROOT / "bench" / "peers" / "starts.py").read_text()
    modules = set(re.findall(r"bench(?:\.peers)?\.apps\.\w+", source))
    assert len(modules) > len(PEERS)
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []
