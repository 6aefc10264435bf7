"""How long a start may take on a busy machine."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from deployments.launch.errors import LaunchError
from deployments.launch.options import read_options
from deployments.launch.supervisor import STEP_S, Supervisor

SUPERVISOR: Final = "deployments.launch.supervisor"


class Busy(Supervisor):
    """A supervisor of a server whose every step takes long, on a clock that waits for nothing."""

    now = 0.0

    def prepare(self, steps: list[tuple[float, dict[str, Any]]]) -> None:
        """``steps``: after how many seconds which event comes."""
        self._steps = steps
        self._began = 0.0

    def _ended(self) -> bool:
        return False

    def _answers(self) -> bool:
        return True

    def _next_event(self) -> dict[str, Any]:
        after_s, event = self._steps.pop(0) if self._steps else (STEP_S / 4, {})
        self.now += after_s
        return event


class Instance:
    """Stands for the folder of a server."""

    folder = Path()

    def note_processes(self) -> None:
        pass

    def empty_folder(self) -> None:
        pass


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Busy:
    made = Busy(read_options({"GRAPHSIDE_DATA_DIR": str(tmp_path / "data")}), {})
    monkeypatch.setattr(f"{SUPERVISOR}.time", SimpleNamespace(monotonic=lambda: made.now))
    for name in ("_start_child", "_order", "_let_go", "_end_all"):
        monkeypatch.setattr(made, name, lambda *_, **__: None)
    monkeypatch.setattr(made, "_pid", lambda: 1)
    monkeypatch.setattr(f"{SUPERVISOR}.processes.reap_orphans", lambda **_: None)
    monkeypatch.setattr(f"{SUPERVISOR}.ports.require_free", lambda *_: None)
    return made


def come_up(busy: Busy) -> int:
    instance: Any = Instance()
    return busy._come_up(instance, 1)


def test_a_start_that_makes_progress_is_not_given_up(busy: Busy) -> None:
    slowly = STEP_S - 1
    busy.prepare(
        [(slowly, {"event": "step", "text": str(number)}) for number in range(4)] + [(slowly, {"event": "deployed"})]
    )
    assert come_up(busy) == 1
    assert busy.now > 1000


def test_a_step_may_take_longer_in_the_next_try(busy: Busy, capsys: pytest.CaptureFixture[str]) -> None:
    busy.prepare([(STEP_S + 1, {}), (2 * STEP_S - 1, {"event": "deployed"})])
    come_up(busy)
    assert "no progress for 240 s; the machine may be too busy; starting it anew, try 2 of 3" in capsys.readouterr().out


def test_a_start_without_progress_ends(busy: Busy) -> None:
    busy.prepare([])
    with pytest.raises(LaunchError, match="no progress for 960 s"):
        come_up(busy)
