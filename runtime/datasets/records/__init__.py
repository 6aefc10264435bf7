"""The catalog's records of files, datasets, shares and stored tables (protocol 2 and 3).

An *object* is a stored table. Files and datasets refer to objects; an object to which none refers is garbage. To
survive a crash at any moment, bytes are stored before the row that refers to them, and deleted after it. Every function
here blocks on SQL.
"""

from runtime.datasets.records.access import Access, Action, Mode, Reader
from runtime.datasets.records.datasets import DatasetRecord, Datasets, Role
from runtime.datasets.records.files import MOST_ERRORS, FileRecord, Files
from runtime.datasets.records.objects import ObjectRecord, RecordGone, is_id
from runtime.datasets.records.paging import LISTED_BYTES
from runtime.datasets.records.shares import NoOrganization, Share, Shares
from runtime.datasets.records.usage import StoredBytes

__all__ = [
    "LISTED_BYTES",
    "MOST_ERRORS",
    "Access",
    "Action",
    "DatasetRecord",
    "Datasets",
    "FileRecord",
    "Files",
    "Mode",
    "NoOrganization",
    "ObjectRecord",
    "Reader",
    "RecordGone",
    "Role",
    "Share",
    "Shares",
    "StoredBytes",
    "is_id",
]
