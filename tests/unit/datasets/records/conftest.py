"""The catalog's records of files and datasets, and two users, ann and bob."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from catalog.engine import Catalog
from catalog.tables import users
from runtime.datasets.records import Datasets, FileRecord, Files, ObjectRecord

BAD_IDS = [
    "",
    "x",
    "0" * 31,
    "0" * 33,
    "G" * 32,
    "0" * 31 + "\0",
    "A" * 32,
    str(uuid.UUID(int=1)),
    "\ud800" * 32,
    "0" * 32,
]


@pytest.fixture
def files(catalog: Catalog) -> Files:
    return Files(catalog)


@pytest.fixture
def datasets(catalog: Catalog) -> Datasets:
    return Datasets(catalog)


@pytest.fixture
def ann(catalog: Catalog) -> int:
    return add_user(catalog, "ann")


@pytest.fixture
def bob(catalog: Catalog) -> int:
    return add_user(catalog, "bob")


def add_user(catalog: Catalog, username: str) -> int:
    now = datetime.now(UTC)
    row = {
        "username": username,
        "email": "",
        "name": "",
        "password_hash": "-",
        "is_admin": False,
        "is_active": True,
    }
    with catalog.write() as connection:
        result = connection.execute(sa.insert(users).values(**row, created_at=now, tokens_valid_from=now))
        return int(result.inserted_primary_key[0])  # type: ignore[index]


def a_table(**changes: Any) -> ObjectRecord:
    fields: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "byte_count": 2**40,
        "row_count": 2**35,
        "column_count": 3,
        "dtypes": {"src": "int64", "dst": "int64", "a\0b": "object"},
    }
    return ObjectRecord(**(fields | changes))


def an_uploaded_file(files: Files, owner_id: int) -> tuple[FileRecord, ObjectRecord]:
    stored = a_table()
    return files.uploaded(files.create(owner_id, file_type="arrow").id, stored, 9), stored
