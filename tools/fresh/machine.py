"""A minimal Debian in a folder, entered with mounts and process ids of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.fresh import carried
from tools.fresh.errors import CheckFailed, NotHere

SUITES: Final = {"bookworm": "Debian 12", "trixie": "Debian 13"}
ORDINARY: Final = "someone"
_LAST_LINES: Final = 60

_ENTER: Final = """
set -e
root=$1; user=$2; folder=$3; shift 3
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "$root/dev/${n#*:}"; done
exec chroot --userspec="$user" "$root" env -C "$folder" "$@"
"""


class Machine:
    """One Debian. Every command runs in mounts and process ids of its own, so nothing of it outlives the command."""

    def __init__(self, root: Path, suite: str) -> None:
        self.root = root
        self.suite = suite

    def run(self, *command: str, user: str = "root", folder: str = "/", within_s: float = 900.0) -> str:
        """Run a command there and return its output. Raises ``CheckFailed``."""
        home = "/root" if user == "root" else f"/home/{user}"
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": home,
            "USER": user,
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            **carried.environment(self.root),
        }
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh"]
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            try:
                ended = subprocess.run(
                    [*enter, str(self.root), user, folder, *command],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
                    timeout=within_s, check=False,
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                ended = None
            output.seek(0)
            text = output.read()
        if ended != 0:
            how = f"did not end within {within_s:.0f} s" if ended is None else f"ended with {ended}"
            last = "\n".join(text.splitlines()[-_LAST_LINES:])
            raise CheckFailed(f"{SUITES[self.suite]}, {user}: `{' '.join(command)}` {how}:\n{last}")
        return text

    def install(self, *packages: str) -> None:
        """Install Debian packages. Raises ``CheckFailed``."""
        self.run("apt-get", "update", "-qq")
        self.run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages)

    def clone(self, checkout: Path, user: str) -> str:
        """Clone the last commit of ``checkout`` for this user. Return the folder's path there."""
        place = "/root/graphside" if user == "root" else f"/home/{user}/graphside"
        trusting = f"safe.directory={checkout}"  # git does not read a repository of another user otherwise
        clone = ["git", "-c", trusting, "clone", "--quiet", "--depth", "1", f"file://{checkout}", place[1:]]
        subprocess.run(clone, cwd=self.root, check=True)
        self.run("chown", "-R", f"{user}:", place)
        return place


@contextmanager
def machine(suite: str, archives: Path | None = None) -> Iterator[Machine]:
    """Make a minimal machine and remove it at the end. Raises ``NotHere``.

    ``archives`` keeps what was downloaded for the next machine of the suite.
    """
    require()
    folder = Path(tempfile.mkdtemp(prefix="fresh-", dir="/var/tmp"))
    root = folder / suite
    try:
        _debootstrap(root, suite, archives)
        carried.carry_files(root, suite)
        fresh = Machine(root, suite)
        fresh.run("useradd", "--create-home", ORDINARY)
        yield fresh
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require() -> None:
    """Raise ``NotHere`` if this machine cannot make another one."""
    if os.geteuid() != 0:
        raise NotHere("only root may make the mounts of another machine")
    for command, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git")):
        if shutil.which(command) is None:
            raise NotHere(f"{command} is not installed; on Debian: apt install {package}")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        raise NotHere("this machine gives no mount namespaces")
    carried.mirror()


def _debootstrap(root: Path, suite: str, archives: Path | None) -> None:
    arguments = ["debootstrap", "--variant=minbase"]
    if archives is not None:
        archives.mkdir(parents=True, exist_ok=True)
        arguments.append(f"--cache-dir={archives.absolute()}")
    done = subprocess.run(
        [*arguments, suite, str(root), carried.mirror()], capture_output=True, text=True, check=False, timeout=1800
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise NotHere(f"debootstrap of {suite} failed: {said[-1] if said else done.returncode}")
