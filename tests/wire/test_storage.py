"""A server on PostgreSQL whose tables are in a bucket: all that it was told is there after a restart."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import PASSWORD, SMALL_EDGES, LiveServer, Person, free_port
from tests.postgresql_server import PostgresServer
from tests.s3_server import KEY, SECRET, S3Server

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

COUNT = "def task(g): return len(g._edges)"
FLAG = "/api/v2/admin/flags/flag_python_endpoint_enabled_users/"


@dataclass(frozen=True)
class Restarted:
    """A server that was told things, was ended, and runs again; its bucket; what was in that before the restart."""

    server: LiveServer
    s3: S3Server
    bucket: str
    admin: Person
    alice: Person
    dataset_id: str
    stored: list[str]


@pytest.fixture(scope="module")
def restarted(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresServer, s3: S3Server
) -> Iterator[Restarted]:
    folder: Path = tmp_path_factory.mktemp("storage")
    bucket = s3.new_bucket()
    (folder / "database_url").write_text(postgresql.new_database())
    environment = {
        "GRAPHSIDE_DATABASE_URL_FILE": str(folder / "database_url"),
        "GRAPHSIDE_STORE_URL": bucket,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server = LiveServer(folder / "data", free_port(), environment).start()
    try:
        admin = server.log_in()
        body = {"username": "alice", "password": PASSWORD}
        assert admin.http.post("/api/v2/admin/users/", json=body).status_code == 201
        assert admin.http.put(FLAG, json={"user": "alice", "value": True}).status_code == 200
        alice = server.log_in("alice")
        dataset_id = alice.upload(SMALL_EDGES)
        assert alice.run(dataset_id, COUNT).json() == 3
        stored = s3.keys(bucket)
        server.stop()
        server.start()
        for person in (admin, alice):
            person.http.close()
        admin, alice = server.log_in(), server.log_in("alice")
        yield Restarted(server, s3, bucket, admin, alice, dataset_id, stored)
        for person in (admin, alice):
            person.http.close()
    finally:
        server.stop()


def test_the_data_directory_has_no_catalog_and_no_stored_tables(restarted: Restarted) -> None:
    data = restarted.server.data
    assert not (data / "catalog.sqlite").exists()
    assert not (data / "objects").exists()
    assert "owner" in restarted.stored
    assert len([key for key in restarted.stored if key.endswith(".arrow")]) == 3  # the demo's two, and hers


def test_the_dataset_can_be_run_after_the_restart_and_on_a_node_without_a_copy(restarted: Restarted) -> None:
    assert restarted.s3.keys(restarted.bucket) == restarted.stored
    for copy in (restarted.server.data / "cache" / "copies").iterdir():
        copy.unlink()
    assert restarted.alice.run(restarted.dataset_id, COUNT).json() == 3


def test_flags_hold_over_the_restart_and_change_within_seconds(restarted: Restarted) -> None:
    change = {"user": "alice", "value": False}
    assert restarted.admin.http.put(FLAG, json=change).status_code == 200
    assert restarted.alice.run(restarted.dataset_id, COUNT).json()["type"] == "EndpointDisabled"
    assert restarted.admin.http.put(FLAG, json={**change, "value": True}).status_code == 200
    assert restarted.alice.run(restarted.dataset_id, COUNT).status_code == 200


def test_no_process_that_runs_tasks_has_the_keys_of_the_store(restarted: Restarted) -> None:
    templates = restarted.server.find("runtime.sandbox.guest.template")
    assert templates
    for process in (below for template in templates for below in (template, *template.children(recursive=True))):
        try:
            assert SECRET not in process.environ().values()
        except psutil.NoSuchProcess:
            continue
    seen = restarted.alice.run(restarted.dataset_id, "import os\ndef task(g): return dict(os.environ)")
    assert seen.status_code == 200
    assert SECRET not in seen.text


def test_a_deleted_dataset_leaves_no_bytes_in_the_bucket(restarted: Restarted) -> None:
    """The last test of this file: it takes the dataset away."""
    path = f"/api/v2/datasets/{restarted.dataset_id}/"
    assert restarted.alice.http.delete(path).status_code == 204
    left = [key for key in restarted.s3.keys(restarted.bucket) if key.endswith(".arrow")]
    assert len(left) == 2
    assert set(left) < set(restarted.stored)
    assert restarted.alice.run(restarted.dataset_id, COUNT).status_code == 404
