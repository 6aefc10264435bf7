"""Which requests are sent to a server of which settings, in which order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias  # Any: JSON

from tools.record_wire.cast import Cast
from tools.record_wire.errors import RecordingFailed
from tools.record_wire.exchange import Exchange
from tools.record_wire.minting import OtherIssuer
from tools.record_wire.requests import (
    audit,
    datasets,
    everywhere,
    failures,
    files,
    flags,
    health,
    keys,
    log_in,
    organizations,
    pages,
    python_requests,
    raw,
    results,
    runs,
    sessions,
    set_up,
    sharing,
    throttled,
    tokens,
    uploads,
    users,
)
from tools.record_wire.server import running
from tools.record_wire.wire import Wire

_USUAL: Final[tuple[Callable[[Wire, Cast], None], ...]] = (
    health.ask,
    pages.ask,
    log_in.ask,
    tokens.ask,
    users.ask,
    keys.ask,
    organizations.ask,
    flags.ask,
    files.ask,
    uploads.ask,
    datasets.ask,
    sharing.ask,
    sessions.ask,
    results.ask,
    python_requests.ask,
    failures.ask,
    runs.ask,
    audit.ask,
    runs.ask_concurrently,
    everywhere.ask,
    raw.ask,
    throttled.ask,
)

Recorded: TypeAlias = tuple[list[Exchange], dict[str, Any]]


def recorded(folder: Path, tell: Callable[[str], None]) -> Recorded:
    """All exchanges, and ``/openapi.json`` of a server as it is installed. Servers run one after the other."""
    exchanges: list[Exchange] = []
    tell("starting a server as it is installed")
    with running(folder / "usual", {}) as server, Wire(server, "as installed", exchanges) as wire:
        cast = Cast()
        for ask in _USUAL:
            with _explained(exchanges):
                ask(wire, cast)
            tell(f"{wire.section}: {len(exchanges)} exchanges so far")
        document = wire.document
    issuer = OtherIssuer()
    tell("starting a server that is set up otherwise")
    with (
        running(folder / "otherwise", set_up.settings(folder, issuer)) as server,
        Wire(server, "set up otherwise", exchanges) as wire,
    ):
        with _explained(exchanges):
            set_up.ask(wire, Cast(), issuer)
        tell(f"{wire.section}: {len(exchanges)} exchanges so far")
    return exchanges, document


@contextmanager
def _explained(exchanges: list[Exchange]) -> Iterator[None]:
    """Names the answer that lacks what the next request needs. Raises ``RecordingFailed``."""
    try:
        yield
    except (LookupError, ValueError, TypeError) as error:
        last = exchanges[-1]
        text = f"{last.name}: {last.status} {last.body[:500]}"
        raise RecordingFailed(
            f"this answer lacks what comes next ({type(error).__name__}: {error}):\n{text}"
        ) from error
