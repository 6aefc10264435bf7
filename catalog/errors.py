"""Errors of the database.

CatalogError
├── CatalogUnavailable   unreachable, or locked for longer than we wait; the same call may succeed later
├── CatalogFull          the disk under the database is full
└── SchemaMismatch       the database was not migrated, or was migrated by a newer release
"""


class CatalogError(Exception):
    """Base class. ``message`` is one readable sentence without secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CatalogUnavailable(CatalogError):
    """The database does not answer.

    The cause is the ``__cause__``; it may name hosts and is for the log only.
    """

    def __init__(self, message: str = "the catalog does not answer; try again later") -> None:
        super().__init__(message)


class CatalogFull(CatalogError):
    """The disk under the database is full. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("the disk that holds the catalog is full")


class SchemaMismatch(CatalogError):
    """The database has another schema. ``found``: its revision (None: never migrated); ``expected``: this release's."""

    def __init__(self, found: str | None, expected: str) -> None:
        super().__init__(f"the catalog's schema is {found or 'missing'}; this release needs {expected}")
        self.found = found
        self.expected = expected
