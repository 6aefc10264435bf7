"""What the catalog knows of files, datasets, who may use them, and the stored tables under them (protocol 2 and 3).

An *object* is a stored table. Files and datasets name objects; an object that nobody names any more is
garbage. The order that keeps a crash harmless: bytes first, then the row that names them; and at the end the
row first, then the bytes. Everything blocks on SQL.
"""

from runtime.datasets.records.access import Access, Action, Mode, Reader
from runtime.datasets.records.datasets import DatasetRecord, Datasets, Role
from runtime.datasets.records.files import FileRecord, Files
from runtime.datasets.records.objects import ObjectRecord, RecordGone, is_id
from runtime.datasets.records.shares import NoOrganization, Share, Shares
from runtime.datasets.records.usage import StoredBytes

__all__ = [
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
