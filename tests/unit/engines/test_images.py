"""Images: a dataset that was on the device before is copied there from this node's disk, and not converted."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from runtime.engines.base import DatasetSource
from runtime.engines.device import images
from runtime.engines.device.images import Images
from tests.gpu import bad_images, twin
from tests.gpu.twin import MIB
from tests.unit.engines.conftest import DeviceRig, MakeDeviceRig
from tests.unit.sandbox.conftest import answer
from tests.waiting import eventually

SUM = "def task(g): return g._edges['w'].sum()"


@dataclass
class Imaged:
    """A device, and the folder of its images."""

    device: DeviceRig
    root: Path
    loads: list[bool]

    @property
    def files(self) -> list[Path]:
        return sorted((self.root / "copies").iterdir())

    @property
    def parts(self) -> list[Path]:
        return list((self.root / "parts").iterdir())

    def load(self, source: DatasetSource) -> bool:
        """Load it anew and run a task that is right; whether it came from an image."""
        rig = self.device.rig
        rig.wait(rig.executor.evict(source.dataset_id))
        self.loads.clear()
        assert answer(rig.run(source, SUM)) == 6.0
        return self.loads == [True]

    def written(self, source: DatasetSource) -> Path:
        """Its image, once there is one."""
        path = self.root / "copies" / f"{source.tables['edges']}.image"
        eventually(path.exists)
        return path


@pytest.fixture
def imaged(make_device_rig: MakeDeviceRig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Imaged]:
    with images_of(make_device_rig, tmp_path, caplog, budget_bytes=64 * MIB) as found:
        yield found


@contextmanager
def images_of(
    make: MakeDeviceRig,
    root: Path,
    caplog: pytest.LogCaptureFixture,
    budget_bytes: int,
    frames: ModuleType = twin,
) -> Iterator[Imaged]:
    caplog.set_level(logging.INFO, "graphside.engine")
    loads: list[bool] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg.startswith("dataset.loaded"):
                loads.append(record.getMessage().endswith("tables=1 from_images=1"))

    listener = Listener()
    logging.getLogger("graphside.engine").addHandler(listener)
    device = make(cache_bytes=6 * MIB, images=Images(root / "images", budget_bytes), frames=frames)
    yield Imaged(device, root / "images", loads)
    device.rig.close()
    logging.getLogger("graphside.engine").removeHandler(listener)


def test_the_second_load_is_from_the_image_that_the_first_one_left(imaged: Imaged) -> None:
    source = imaged.device.rig.dataset()
    assert not imaged.load(source)
    image = imaged.written(source)
    assert (image.stat().st_mode & 0o777, imaged.parts) == (0o444, [])
    assert imaged.load(source)


def test_an_image_outlives_its_server(
    imaged: Imaged, make_device_rig: MakeDeviceRig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = imaged.device.rig.dataset()
    imaged.load(source)
    kept = imaged.written(source).read_bytes()
    with images_of(make_device_rig, tmp_path, caplog, budget_bytes=64 * MIB) as again:
        here = again.device.rig.dataset()
        (again.root / "copies" / f"{here.tables['edges']}.image").write_bytes(kept)
        assert again.load(here)


@pytest.mark.parametrize(
    "damage",
    [
        lambda image: image.write_bytes(image.read_bytes().replace(b"twin 1", b"twin 0", 1)),
        lambda image: image.write_bytes(image.read_bytes().replace(b"layout 1", b"layout 0", 1)),
        lambda image: image.write_bytes(image.read_bytes()[:4096] + b"\xff" + image.read_bytes()[4097:]),
        lambda image: os.truncate(image, image.stat().st_size - 1),
        lambda image: image.write_bytes(bytes(image.stat().st_size)),
        lambda image: os.truncate(image, 0),
        lambda image: image.write_bytes(b"[]".ljust(image.stat().st_size)),
        lambda image: image.write_bytes(b'{"tag": "twin 1", "header_bytes": -1, "byte_count": 1e99}'.ljust(9000)),
    ],
    ids=["of-other-libraries", "of-another-layout", "header", "cut", "zeros", "empty", "no-image", "forged"],
)
def test_one_that_is_of_no_use_is_passed_over(imaged: Imaged, damage: object) -> None:
    source = imaged.device.rig.dataset()
    imaged.load(source)
    image = imaged.written(source)
    image.chmod(0o600)
    damage(image)  # type: ignore[operator]
    assert not imaged.load(source)


def test_one_that_cannot_be_read_is_dropped_and_the_table_is_loaded(
    make_device_rig: MakeDeviceRig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with images_of(make_device_rig, tmp_path, caplog, 64 * MIB, frames=bad_images) as imaged:
        source = imaged.device.rig.dataset()
        imaged.load(source)
        imaged.written(source)
        # The file is there a moment before its writer says so, and a load ends a writer.
        eventually(lambda: caplog.text.count("image.written") == 1)
        assert not imaged.load(source)
        assert "image.of_no_use" in caplog.text
        eventually(lambda: caplog.text.count("image.written") == 2)
        eventually(lambda: imaged.device.engine.blocks.used_bytes == 2 * MIB)


def test_a_disk_that_would_be_full_keeps_none(imaged: Imaged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "RESERVE", 1.0)
    source = imaged.device.rig.dataset()
    for _ in range(2):
        assert not imaged.load(source)
    assert (imaged.files, imaged.parts) == ([], [])


def test_one_of_no_use_is_written_anew(imaged: Imaged) -> None:
    source = imaged.device.rig.dataset()
    imaged.load(source)
    image = imaged.written(source)
    before = image.stat().st_ino
    image.chmod(0o600)
    os.truncate(image, 0)
    imaged.load(source)
    eventually(lambda: imaged.written(source).stat().st_ino != before)
    assert imaged.load(source)


def test_those_of_deleted_tables_go(imaged: Imaged) -> None:
    deleted, kept = imaged.device.rig.dataset(), imaged.device.rig.dataset()
    for source in (deleted, kept):
        imaged.load(source)
        imaged.written(source)
    imaged.device.rig.store.delete(deleted.tables["edges"])
    Images(imaged.root, 64 * MIB).forget_deleted(imaged.device.rig.store)
    assert [path.stem for path in imaged.files] == [kept.tables["edges"]]


def test_one_that_does_not_fit_is_not_kept_and_nobody_is_the_worse(
    make_device_rig: MakeDeviceRig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with images_of(make_device_rig, tmp_path, caplog, budget_bytes=MIB) as imaged:
        source = imaged.device.rig.dataset()
        assert not imaged.load(source)
        eventually(lambda: "image.not_written" in caplog.text)
        assert (imaged.files, imaged.parts, imaged.load(source)) == ([], [], False)


def test_a_dataset_that_is_given_up_while_its_image_is_written_gives_its_memory_back(imaged: Imaged) -> None:
    rig, source = imaged.device.rig, imaged.device.rig.dataset()

    async def load_and_forget() -> None:
        await rig.start(source, SUM)
        await asyncio.sleep(0)
        await rig.executor.evict(source.dataset_id)

    for _ in range(3):
        rig.wait(load_and_forget())
    eventually(lambda: not imaged.device.driver.live and not imaged.device.engine.blocks.used_bytes)
    eventually(lambda: not imaged.parts)


def test_nothing_is_kept_where_it_is_not_wanted(make_device_rig: MakeDeviceRig, tmp_path: Path) -> None:
    device = make_device_rig(cache_bytes=6 * MIB)
    assert answer(device.rig.run(device.rig.dataset(), SUM)) == 6.0
    assert not list(device.rig.root.rglob("*.image"))
    device.rig.close()


def test_a_task_cannot_see_images(imaged: Imaged) -> None:
    source = imaged.device.rig.dataset()
    imaged.load(source)
    code = f"""
import os
def task(g):
    try:
        return os.open({str(imaged.written(source))!r}, os.O_RDONLY)
    except OSError as error:
        return [error.strerror]
"""
    assert answer(imaged.device.rig.run(source, code)) == ["Permission denied"]


def test_the_twin_s_images_are_of_the_twin() -> None:
    assert twin.make().tag == "twin 1"
