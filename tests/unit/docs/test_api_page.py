"""docs/api.md lists what the app answers."""

from auth.errors import Taken, Unauthenticated, Unknown
from deployments.ingress import errors
from deployments.ingress.runs.request import RunRequest
from tests.document import openapi
from tests.unit.docs.markdown import code, rows

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
