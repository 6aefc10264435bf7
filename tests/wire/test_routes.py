"""Every route: both slash forms, and the statuses of what succeeds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Person
from tests.wire.uploading import BINDINGS, CSV

pytestmark = pytest.mark.e2e


@pytest.mark.protocol("9.1.1")
def test_every_route_takes_both_slash_forms_without_a_redirect(alice: Person) -> None:
    http = alice.http
    for slash in ("", "/"):
        file_id = http.post(f"/api/v2/files{slash}", json={"file_type": "csv"}).json()["file_id"]
        assert http.post(f"/api/v2/upload/files/{file_id}{slash}?erase=true", content=CSV).status_code == 200
        made = http.post(f"/api/v2/upload/datasets{slash}", json={**BINDINGS, "edge_files": [file_id]})
        dataset_id = made.json()["data"]["dataset_id"]
        inline = f"/api/v2/upload/datasets/{dataset_id}/nodes/csv{slash}"
        assert http.post(inline, content=b"id\na\n").status_code == 200
        for path in (
            f"/api/v2/files{slash}",
            f"/api/v2/files/{file_id}{slash}",
            f"/api/v2/datasets{slash}",
            f"/api/v2/datasets/{dataset_id}{slash}",
            f"/api/v2/upload/datasets/{dataset_id}{slash}",
        ):
            assert http.get(path).status_code == 200, path
        for path in (
            f"/api/v2/datasets/{dataset_id}/python{slash}",
            f"/api/v2/etl/datasets/{dataset_id}/python{slash}",
        ):
            assert http.post(path, json={"execute": "def task(g): return 1"}).json() == 1, path
        credentials = {"username": alice.username, "password": alice.password}
        for path in (f"/api-token-auth{slash}", f"/api/v2/auth/token/generate{slash}"):
            assert http.post(path, json=credentials).json()["token"], path
        for path in (f"/api/v2/auth/token/refresh{slash}", f"/api-token-refresh{slash}", f"/api-token-verify{slash}"):
            assert http.post(path, json={"token": alice.token}).json() == {"token": alice.token}, path
        switch = http.post(f"/api/v2/o/{alice.username}/switch{slash}", data={"slug": alice.username})
        assert switch.json()["status"] == "OK"
        assert http.post(f"/api/v2/share/link{slash}", json={"obj_pk": dataset_id}).json()["status"] == "OK"
        assert http.delete(f"/api/v2/datasets/{dataset_id}{slash}").status_code == 204
        assert http.delete(f"/api/v2/files/{file_id}{slash}").status_code == 204


ONE = {"execute": "def task(g): return 1"}


@pytest.mark.protocol("9.2")
def test_a_success_has_the_status_that_clients_expect(alice: Person) -> None:
    http = alice.http

    def status(method: str, path: str, **sent: Any) -> tuple[int, Any]:
        answer = http.request(method, path, **sent)
        return answer.status_code, answer.json()

    log_in = {"username": alice.username, "password": alice.password}
    assert status("POST", "/api-token-auth/", json=log_in)[0] == 200
    assert status("POST", "/api/v2/auth/token/refresh", json={"token": alice.token}) == (200, {"token": alice.token})
    assert status("POST", "/api-token-verify/", json={"token": alice.token})[0] == 200
    code, file = status("POST", "/api/v2/files/", json={"file_type": "csv"})
    assert code == 201
    code, sent = status("POST", f"/api/v2/upload/files/{file['file_id']}", content=b"s,d\na,b\n")
    assert (code, sent["is_valid"], sent["is_uploaded"]) == (200, True, True)
    code, made = status("POST", "/api/v2/upload/datasets/", json={"edge_files": [file["file_id"]]})
    assert (code, made["success"]) == (201, True)
    dataset_id = made["data"]["dataset_id"]
    code, inline = status("POST", f"/api/v2/upload/datasets/{dataset_id}/nodes/csv", content=b"id\na\n")
    assert (code, inline["success"]) == (200, True)
    assert status("GET", f"/api/v2/upload/datasets/{dataset_id}")[0] == 200
    code, shared = status("POST", "/api/v2/share/link/", json={"obj_pk": dataset_id, "mode": "private"})
    assert (code, shared["status"]) == (200, "OK")  # nothing but 200 is clean to PyGraphistry
    assert status("POST", f"/api/v2/datasets/{dataset_id}/python", json=ONE) == (200, 1)
