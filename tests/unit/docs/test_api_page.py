"""docs/api.md lists what the app answers."""

import re

import pytest

from auth.errors import Taken, Unauthenticated, Unknown
from deployments.cli import screen
from deployments.ingress import errors
from deployments.ingress.routes.shapes.runs import RunReceipt
from deployments.ingress.runs.request import RunRequest
from deployments.settings import REQUESTABLE, LimitSettings
from runtime.datasets.file_types import FILE_TYPES
from runtime.results.kinds import FORMATS, Format, media_type
from tests.document import openapi
from tests.unit.docs.markdown import code, rows, written

BASES = {Taken, Unknown}
"""Never raised themselves."""


def test_every_route_is_listed_and_no_other() -> None:
    listed = {(row["method"], code(row["path"])) for row in rows("docs/api.md", "method")}
    served = {(method.upper(), path) for path, operations in openapi()["paths"].items() for method in operations}
    assert listed == served


def test_every_error_is_listed_with_its_status_and_no_other() -> None:
    listed = {(int(row["status"]), code(row["type"])) for row in rows("docs/api.md", "status")}
    tabled = {
        (status, errors.shown_as(leaf).__name__) for kind, status in errors.STATUS.items() for leaf in leaves(kind)
    }
    refused = {(kind.status, kind.__name__) for kind in errors.RequestError.__subclasses__()}
    assert listed == tabled | refused
    assert (401, Unauthenticated.__name__) in listed


def leaves(kind: type[Exception]) -> set[type[Exception]]:
    """The classes of an error that are raised: those below it whose status is not their own."""
    below = [sub for sub in kind.__subclasses__() if sub not in errors.STATUS]
    return (
        {kind}
        if not below or kind in errors.SHOWN_AS
        else {leaf for sub in below for leaf in leaves(sub)} | (set() if kind in BASES else {kind})
    )


def test_every_field_of_a_run_is_listed() -> None:
    listed = {code(row["field of the body"]) for row in rows("docs/api.md", "field of the body")}
    assert listed == set(RunRequest.model_fields)


def test_every_field_of_a_receipt_is_listed() -> None:
    listed = {
        name for row in rows("docs/api.md", "of a receipt") for name in re.findall(r"`(\w+)`", row["of a receipt"])
    }
    assert listed == set(RunReceipt.model_fields) - {"success"}


def test_default_limits_are_those_of_the_settings() -> None:
    listed = {code(row["field of the body"]): row["default"] for row in rows("docs/api.md", "field of the body")}
    assert {name: listed[name] for name in REQUESTABLE} == {
        name: written(name, LimitSettings.model_fields[name].default) for name in REQUESTABLE
    }


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_described_and_a_terminal_shows_it(name: Format) -> None:
    listed = {code(row["field of the body"]): row["meaning"] for row in rows("docs/api.md", "field of the body")}
    assert f"`{name}`" in listed["format"]
    assert name in str(RunRequest.model_fields["format"].description)
    assert name == "json" or media_type(name) in screen._PREVIEWS


def test_every_upload_type_is_listed() -> None:
    creates = ("POST", "`/api/v2/files`")
    (body,) = (row["body"] for row in rows("docs/api.md", "method") if (row["method"], row["path"]) == creates)
    assert set(re.findall(r"`(\w+)`", body.partition("(")[2].partition(")")[0])) == {kind.name for kind in FILE_TYPES}
