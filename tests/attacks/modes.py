"""The ways in which a server is run, each with the walls that it allows; the suite goes through all that exist here."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runtime.sandbox.walls.probe import examine

ROOT = Path(__file__).resolve().parents[2]
ORDINARY_UID = 61_234
"""Of nobody, on machines that number their people from 1000 and their containers from 100000."""


@dataclass(frozen=True)
class Mode:
    """``command`` starts Python modules in this mode, as user ``uid``. ``missing``: why this machine cannot, or empty.

    ``walls``: what must hold in it, by the names of ``probe.PROBES``; ``lacks``: what must not, since the mode is there
    to be without.
    """

    name: str
    uid: int
    walls: frozenset[str]
    lacks: frozenset[str] = frozenset()
    missing: str = ""

    def command(self, folder: Path) -> tuple[str, ...]:
        """What goes before ``-m module``. ``folder``: where an interpreter for all may be made."""
        python = interpreter_for_all(folder)
        if self.name == "root":
            assert python is not None
            return (python,)
        if self.name == "rootless":
            return (*_as_user(self.uid), python or sys.executable)
        return (sys.executable, "-m", "tests.attacks.container", str(self.uid), python or sys.executable)


def all_modes() -> list[Mode]:
    """The best that this machine offers first."""
    is_root = os.geteuid() == 0
    unreadable = "" if _readable_python() else "other users cannot read any interpreter that has our libraries"
    setpriv = "" if shutil.which("setpriv") or not is_root else "setpriv is not installed"
    user = ORDINARY_UID if is_root else os.geteuid()
    both = frozenset({"landlock", "seccomp"})
    namespaces = "" if is_root and examine()["namespaces"].works else "namespaces cannot be made here"
    everything = both | {"namespaces", "throwaway_users"}
    as_root = "" if is_root else "the tests are not run by root"
    return [
        Mode("root", 0, everything, missing=as_root or unreadable or namespaces),
        Mode(
            "container",
            0,
            both | ({"throwaway_users"} if not unreadable else set()),
            lacks=frozenset({"namespaces"}),
            missing=as_root or setpriv,
        ),
        Mode(
            "rootless",
            user,
            both | {"namespaces"},
            lacks=frozenset({"throwaway_users"}),
            missing=(unreadable if is_root else "") or setpriv or _no_user_namespaces(user),
        ),
        Mode(
            "user",
            user,
            both,
            lacks=frozenset({"namespaces", "throwaway_users"}),
            missing=(unreadable if is_root else "") or setpriv,
        ),
    ]


def _as_user(uid: int) -> tuple[str, ...]:
    if uid == os.geteuid():
        return ()
    ids = (f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    return ("setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all")


def _no_user_namespaces(uid: int) -> str:
    """Why that user cannot make any, or nothing."""
    tried = subprocess.run(
        [*_as_user(uid), "unshare", "--user", "--pid", "--net", "--ipc", "--uts", "--fork", "true"], capture_output=True
    )
    return "" if tried.returncode == 0 else "ordinary users cannot make namespaces here"


def readable_by_all(path: Path) -> bool:
    """Whether any user may pass every directory above ``path`` and read what it names."""
    real = Path(os.path.realpath(path))
    try:
        mode = real.stat().st_mode
        wanted = stat.S_IROTH | stat.S_IXOTH if real.is_dir() or os.access(real, os.X_OK) else stat.S_IROTH
        return mode & wanted == wanted and all(one.stat().st_mode & stat.S_IXOTH for one in real.parents)
    except OSError:
        return False


def interpreter_for_all(folder: Path) -> str | None:
    """A Python that every user can start and that imports what this one does, made in ``folder`` where need be."""
    base = _readable_python()
    if base is None or base == sys.executable:
        return base
    made = folder / "python"
    if not made.exists():
        subprocess.run([base, "-m", "venv", "--without-pip", str(made)], check=True)
        (packages,) = made.glob("lib/python3*/site-packages")
        (packages / "tests.pth").write_text("\n".join(_import_paths()) + "\n")
    return str(made / "bin" / "python")


@cache
def _readable_python() -> str | None:
    """An interpreter of our version that is readable by all: this one, or the system's."""
    if not all(readable_by_all(Path(path)) for path in _import_paths()):
        return None
    own = (sys.executable, os.path.realpath(sys.executable), sysconfig.get_path("stdlib"))
    if all(readable_by_all(Path(path)) for path in own):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in ("/usr/bin", "/usr/local/bin"):
        if readable_by_all(Path(folder) / version):
            return f"{folder}/{version}"
    return None


def _import_paths() -> list[str]:
    """Where our libraries and our own packages are imported from."""
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys([str(ROOT), *packages]))


def folder_for_all(owner: int) -> Path:
    """A new directory that everybody may pass and ``owner`` may write to; pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="graphside-arena-"))
    folder.chmod(0o755)
    if owner != os.geteuid():
        os.chown(folder, owner, owner)
    return folder
