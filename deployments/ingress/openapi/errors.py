"""Error answers in the document: one schema, what each family of routes adds to it, what each type means."""

from collections.abc import Iterable
from typing import Any, Final  # Any: JSON Schema

from deployments.ingress.errors import Family, status_and_type
from deployments.ingress.openapi.headers import header_references
from deployments.ingress.routing.declarations import HTML, JSON, TEXT

Schemas = dict[str, dict[str, Any]]

INTERNAL: Final = (500, "InternalError")
WRONG_METHOD: Final = (405, "MethodNotAllowed")

MEANINGS: Final = {
    "InvalidRequest": "The request is not what this route takes; the text names every wrong field.",
    "InvalidSource": "The source does not compile, has no `task`, or one of the wrong arity.",
    "InvalidTable": "The bytes are not what they were declared to be.",
    "InvalidCredentials": "Wrong name or password.",
    "InvalidUsername": "No account can have this name.",
    "InvalidName": "Nothing of this kind can have this name.",
    "WeakSecret": "The password is too short or too long.",
    "Unauthenticated": "No token, key or session, or one that does not count.",
    "Forbidden": "Known, and not allowed.",
    "CsrfFailed": "A session cookie without its CSRF token, or from another origin.",
    "EndpointDisabled": "The Python endpoint is off for this user.",
    "NotFound": "No such thing, or none that the caller may know of.",
    "UnknownUser": "No such account.",
    "UnknownFlag": "No such flag.",
    "UnknownKey": "No such personal key of one's own.",
    "UnknownGroup": "No such group.",
    "MethodNotAllowed": "The path takes other methods: `Allow` names them.",
    "UserExists": "The name is taken, by a user or an organization.",
    "GroupExists": "The name is taken.",
    "OrganizationExists": "The slug is taken, by an organization or a user.",
    "TooLarge": "The body is over its limit.",
    "TaskError": "The task raised.",
    "TaskTimeout": "The deadline passed.",
    "TaskMemoryExceeded": "The run used more memory than it may.",
    "TaskScratchExceeded": "The run wrote more to its scratch directory than it may.",
    "TaskCrashed": "The process ended without a result.",
    "TaskCancelled": "Somebody entitled ended the run.",
    "ResultTooLarge": "The encoded result is over its limit.",
    "ResultNotSerializable": "The result has no encoding; the text says which value, where.",
    "EngineUnavailable": "This server was set up without the engine that was asked for.",
    "DatasetUnreadable": "A stored table cannot be loaded.",
    "TooManyRequests": "As many as one may for now.",
    "RunExists": "The `run_id` was used before.",
    "StoreUnavailable": "The store of tables does not answer; nothing was changed.",
    "InternalError": "The server's fault; its log has the reason under `request_id`.",
    "Overloaded": "Too busy, starting or stopping; of `cudf` also: no GPU runner is running.",
    "RunInterrupted": "A process of the server died under the call; nothing was changed.",
    "DatasetTooLarge": "Larger than the dataset cache, or than a node's copies may be.",
    "StorageFull": "No room to store, or a user's own limit.",
}
"""Each type of error in a sentence."""

_WORDS: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}
_COUNT: Final = {"type": "number"}


def _object(description: str, required: Iterable[str] = (), /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties, "required": list(required)}


_ERROR: Final = _object(
    "What every error is. Keys beside the first three are there where they apply.",
    ("error", "type", "request_id"),
    error={**_WORDS, "minLength": 1, "description": "A readable sentence."},
    type={**_WORDS, "description": "What went wrong, for programs."},
    request_id={**_WORDS, "description": "Under which the server's log has it."},
    limit_name={**_WORDS, "description": "Which limit was passed."},
    limit={**_COUNT, "description": "That limit."},
    observed={**_COUNT, "description": "What was asked for or reached."},
    exception_type={**_WORDS, "description": "The exception's class."},
    exception_message={**_WORDS, "description": "The exception's text."},
    line={"type": ["integer", "null"], "description": "Of the source, from 1."},
    column={"type": ["integer", "null"], "description": "In that line, from 1."},
    text={"type": ["string", "null"], "description": "That line."},
    engine={"type": ["string", "null"], "description": "The engine that is not there."},
    dataset_id={**_WORDS, "description": "The dataset that cannot be loaded."},
)

_RUN_FAILED: Final = _object(
    "A run that did not end well.",
    ("run_id",),
    run_id={**_WORDS, "pattern": "^[0-9a-f]{32}$"},
    stdout={**_WORDS, "description": "What the task printed: head and tail where it was cut."},
    stderr={**_WORDS, "description": "The same of its standard error."},
    stdout_truncated=_FLAG,
    stderr_truncated=_FLAG,
    traceback={**_WORDS, "description": "As Python prints it, in the user's own lines."},
    frames={
        "type": "array",
        "description": "The same as data, outermost first.",
        "items": _object(
            "A line of the user's.",
            ("line", "function", "source"),
            line={"type": ["integer", "null"]},
            function=_WORDS,
            source={"type": ["string", "null"]},
        ),
    },
    signal={**_WORDS, "description": "The signal that ended the process."},
    exit_code={"type": "integer", "description": "With which the process ended."},
)

_FAMILIES: Final[dict[Family, tuple[str, dict[str, Any]]]] = {
    "log-in": (
        "LogInError",
        _object(
            "An error of a log-in route.",
            ("non_field_errors", "detail"),
            non_field_errors={"type": "array", "items": _WORDS, "description": "The sentence."},
            detail={**_WORDS, "description": "The sentence."},
        ),
    ),
    "files": (
        "FileError",
        _object(
            "An error of a file's route.",
            ("is_valid", "is_uploaded", "errors"),
            is_valid={"const": False},
            is_uploaded={"const": False},
            errors={
                "type": "array",
                "items": _WORDS,
                "description": "What is wrong with the bytes, else the sentence.",
            },
        ),
    ),
    "sharing": (
        "SharingError",
        _object(
            "An error of sharing, of an organization's members, of switching to one.",
            ("status", "message"),
            status={"const": "Failed"},
            message={**_WORDS, "description": "The sentence."},
        ),
    ),
    "datasets": (
        "DatasetError",
        _object(
            "An error of making a dataset, or of giving it a table.",
            ("success", "message", "detail", "data"),
            success={"const": False},
            message={**_WORDS, "description": "The sentence."},
            detail={**_WORDS, "description": "The sentence."},
            data={"type": "object", "maxProperties": 0},
        ),
    ),
    "other": (
        "OtherError",
        _object(
            "An error of any other route.",
            ("success", "message", "detail"),
            success={"const": False},
            message={**_WORDS, "description": "The sentence."},
            detail={**_WORDS, "description": "The sentence."},
        ),
    ),
}

_OF_RUNS: Final = "FailedRun"


def error_schemas() -> Schemas:
    """The schemas that error answers refer to: the shared one, and each family's on top of it."""
    shared = {"$ref": "#/components/schemas/Error"}
    families = {
        name: {"description": schema["description"], "allOf": [shared, _without_description(schema)]}
        for name, schema in _FAMILIES.values()
    }
    other = {"$ref": f"#/components/schemas/{_FAMILIES['other'][0]}"}
    run = {"description": _RUN_FAILED["description"], "allOf": [other, _without_description(_RUN_FAILED)]}
    return {"Error": _ERROR, **families, _OF_RUNS: run}


class ErrorAnswers:
    """The error answers of a document: each once, under ``components``, however many operations have it."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}

    def of(
        self, kinds: Iterable[type[Exception]], others: Iterable[tuple[int, str]], family: Family, *, as_page: bool
    ) -> dict[int, dict[str, Any]]:
        """References by status, for errors of ours and for those without a class. ``as_page``: as a page too."""
        found: dict[int, dict[str, None]] = {}
        for status, name in [*map(status_and_type, kinds), *others]:
            found.setdefault(status, {})[name] = None
        return {status: self._reference(status, list(found[status]), family, as_page=as_page) for status in found}

    def _reference(self, status: int, types: list[str], family: Family, *, as_page: bool) -> dict[str, Any]:
        types.sort(key=list(MEANINGS).index)
        as_page = as_page and status < 500
        kinds = _OF_RUNS if _is_of_run(types) else "_or_".join(types)
        name = kinds + ("" if family == "other" else f".{family}") + (".page" if as_page else "")
        self.components[name] = _answer(status, types, family, as_page=as_page)
        return {"$ref": f"#/components/responses/{name}"}


def _answer(status: int, types: list[str], family: Family, *, as_page: bool) -> dict[str, Any]:
    name = _OF_RUNS if _is_of_run(types) else _FAMILIES[family][0]
    narrowed = {"properties": {"type": {"enum": types}}}
    schema = {"allOf": [{"$ref": f"#/components/schemas/{name}"}, narrowed]}
    contents: dict[str, Any] = {JSON: {"schema": schema, "example": _example(status, types[0], family)}}
    if as_page:
        contents[HTML] = {"schema": TEXT}
    return {
        "description": "\n".join(f"`{kind}`: {MEANINGS[kind]}" for kind in types),
        "headers": header_references(*_headers(status, is_of_run=name == _OF_RUNS)),
        "content": contents,
    }


def _is_of_run(types: list[str]) -> bool:
    return any(kind.startswith("Task") for kind in types)


def _headers(status: int, *, is_of_run: bool) -> tuple[str, ...]:
    named = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
    return (*named.get(status, ()), *(("X-Run-Id",) if is_of_run else ()))


def _example(status: int, kind: str, family: Family) -> dict[str, Any]:
    text = MEANINGS[kind]
    keys: dict[Family, dict[str, Any]] = {
        "log-in": {"non_field_errors": [text], "detail": text},
        "files": {"is_valid": False, "is_uploaded": False, "errors": [text]},
        "sharing": {"status": "Failed", "message": text},
        "datasets": {"success": False, "message": text, "detail": text, "data": {}},
        "other": {"success": False, "message": text, "detail": text},
    }
    run = {"run_id": "c1d0f1b8a3d94b0f9d3f1c9a7e5b2a40", "stdout": "", "stderr": ""} if status == 422 else {}
    request_id = "464acaef-198e-4fcf-9283-4ba7cefa753e"
    return {**run, **keys[family], "error": text, "type": kind, "request_id": request_id}


def _without_description(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}
