"""The peers: how each isolates a call, and what is left of a task that does not end.

``aftermath`` is what we saw. The section ``runaway`` looks again and says where it finds something else.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.peers import starts
from bench.peers.ground import Ground
from bench.peers.subject import Subject
from bench.servers import ROOT

ENVIRONMENTS = ROOT / ".peers"

Aftermath = Literal["nothing", "it spins on", "no answers, it spins on", "no answers"]
"""What three tasks that never end leave after their clients left: is a good call answered, and does CPU burn?"""

Isolation = Literal["as ours", "less", "none"]
"""``none``: tasks run in the process that answers HTTP."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer.

    ``isolates`` and ``limit`` are cells of tables: what separates calls, and the peer's own time limit. ``environment``
    is a folder of ``.peers``; None stands for our own environment. ``programs``: programs that it needs on the PATH,
    each with its Debian package.
    """

    name: str
    isolation: Isolation
    isolates: str
    limit: str
    aftermath: Aftermath
    start: Callable[[str, Path, Ground], Subject]
    environment: str | None = None
    programs: tuple[tuple[str, str], ...] = ()
    slow: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return starts.OWN_PYTHON if self.environment is None else ENVIRONMENTS / self.environment / "bin" / "python"

    def lacking(self) -> str | None:
        """Return why the peer cannot be started here, or None if it can."""
        for program, package in self.programs:
            if shutil.which(program) is None:
                return f"no {program} on the PATH (Debian: {package})"
        if self.environment is not None and not (ENVIRONMENTS / self.environment / ".installed").exists():
            return "not installed (make peers)"
        return None

    def begin(self, ground: Ground) -> Subject:
        """Start it and give it the data. Raises ``StartFailed``, ``BadAnswer``."""
        return self.start(self.name, self.python, ground)


OUR_AFTERMATH: Aftermath = "nothing"
OUR_ISOLATION = "a process and its walls, made for it"
OUR_LIMIT = "its deadline"

PEERS = (
    Peer(
        "FastAPI + exec", "none", "nothing", "none", "it spins on", starts.fastapi, "fastapi",
    ),
    Peer(
        "Ray Serve + exec, our flags", "none", "nothing", "request_timeout_s", "it spins on", starts.ray_tuned,
    ),
    Peer(
        "Ray Serve + exec, as it comes", "none", "nothing", "request_timeout_s", "it spins on", starts.ray_plain,
    ),
    Peer(
        "LitServe", "less", "worker processes, shared", "timeout", "no answers, it spins on", starts.litserve,
        "litserve",
    ),
    Peer(
        "BentoML", "less", "worker processes, shared", "traffic.timeout", "it spins on", starts.bentoml, "bentoml",
    ),
    Peer(
        "Dask distributed", "less", "worker processes, shared", "none", "no answers, it spins on", starts.dask, "dask",
    ),
    Peer(
        "Jupyter Kernel Gateway", "less", "kernels, shared", "none", "no answers, it spins on", starts.kernel_gateway,
        "kernel-gateway",
    ),
    Peer(
        "Spark Connect", "less", "Python workers, reused", "udf.idleTimeoutSeconds", "nothing", starts.spark, "spark",
        (("java", "default-jre-headless"),), slow=True,
    ),
    Peer(
        "bubblewrap + fresh Python", "as ours", "namespaces, made for it", "the front's", "nothing", starts.bubblewrap,
        "bubblewrap", (("bwrap", "bubblewrap"),), slow=True,
    ),
)  # fmt: skip
"""In the order of tables."""
