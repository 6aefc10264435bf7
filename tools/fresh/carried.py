"""What a fresh machine takes over from this one: where packages come from. Nothing else is the same."""

import os
import shutil
import subprocess
from pathlib import Path

from tools.fresh.errors import NotHere

CERTIFICATES = "/carried/certificates.crt"
"""The file with this machine's certificates, on the fresh machine."""

_NETWORK = ("/etc/resolv.conf", "/etc/hosts")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_OF_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_CERTIFICATES_HERE = Path("/etc/ssl/certs/ca-certificates.crt")


def mirror() -> str:
    """Return the address of the Debian mirror that apt uses here. Raises ``NotHere``."""
    if shutil.which("apt-get") is None:
        raise NotHere("apt-get is not installed, so no Debian mirror is known")
    wanted = ("Created-By: Packages", "Origin: Debian", "Component: main")
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted], capture_output=True, text=True, check=False
    )
    if not (addresses := listed.stdout.split()):
        raise NotHere("apt knows no Debian mirror here (`apt-get indextargets` names none; try apt-get update)")
    return addresses[0]


def carry_files(root: Path, suite: str) -> None:
    """Give a machine this one's name servers, its mirror for ``suite``, apt's settings and certificates."""
    for name in _NETWORK:
        shutil.copyfile(name, root / name[1:])
    (root / "etc/apt/sources.list").write_text(f"deb {mirror()} {suite} main\n")
    for settings in Path("/etc/apt/apt.conf.d").iterdir():
        if "Acquire::" in settings.read_text(errors="replace"):
            shutil.copyfile(settings, root / "etc/apt/apt.conf.d" / settings.name)
    if _CERTIFICATES_HERE.exists():
        (root / "carried").mkdir(mode=0o755, exist_ok=True)
        shutil.copyfile(_CERTIFICATES_HERE, root / CERTIFICATES[1:])


def environment(root: Path) -> dict[str, str]:
    """Return the variables that make package managers on the machine at ``root`` use the sources of this machine."""
    carried = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES}
    for variable, command in (
        ("PIP_INDEX_URL", ["python3", "-m", "pip", "config", "get", "global.index-url"]),
        ("npm_config_registry", ["npm", "config", "get", "registry"]),
    ):
        with_value = shutil.which(command[0]) and subprocess.run(command, capture_output=True, text=True, check=False)
        if with_value and with_value.returncode == 0 and with_value.stdout.startswith("http"):
            carried[variable] = with_value.stdout.strip()
    if (root / CERTIFICATES[1:]).exists():
        carried |= dict.fromkeys(_OF_CERTIFICATES, CERTIFICATES)
        carried["npm_config_cafile"] = CERTIFICATES
    return carried
