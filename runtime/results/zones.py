"""Time zones that other programs know: Arrow knows a zone by its name, also if the name is somebody's own.

dateutil's ``tzoffset("EST", 7200)`` and ``tzstr("EST5EDT")`` would become the zone ``EST``, whose times are others.
"""

import datetime
import zoneinfo
from typing import Any, Final

import pandas as pd
import pyarrow as pa

_NAMED_BY: Final = ("pytz", "pytz_deprecation_shim")
_MINUTE: Final = datetime.timedelta(minutes=1)
_DAY: Final = datetime.timedelta(days=1)


def known_zone(zone: Any) -> datetime.tzinfo | None:
    """Return a zone of the same times that Arrow keeps: this one, one with a name, or a fixed offset; else None."""
    if _is_kept(zone):
        return zone  # type: ignore[no-any-return]  # it is a zone
    try:
        if _library_of(zone) == "dateutil" and hasattr(zone, "_filename"):
            return zoneinfo.ZoneInfo(pa.lib.tzinfo_to_string(zone))
        offset = zone.utcoffset(None)  # None, unless it is the same at any time
    except Exception:  # a file that is not there, or a class of the task
        return None
    is_whole = isinstance(offset, datetime.timedelta) and not offset % _MINUTE and abs(offset) < _DAY
    return datetime.timezone(offset) if is_whole else None


def in_known_zone(column: "pd.Series[Any]") -> "pd.Series[Any] | None":
    """Return a column of zoned times in a zone that Arrow keeps; None if there is none."""
    zone: Any = getattr(column.dtype, "tz", None)
    known = None if zone is None else known_zone(zone)
    if zone is None or known is zone:
        return column
    return None if known is None else column.dt.tz_convert(known)


def is_there(name: str) -> bool:
    """Return True if a zone that Arrow has the name of is one that this machine knows."""
    try:
        pa.lib.string_to_tzinfo(name)
    except (pa.ArrowException, ValueError, OSError):
        return False
    return True


def _is_kept(zone: Any) -> bool:
    if type(zone) is datetime.timezone:
        return not zone.utcoffset(None) % _MINUTE
    if type(zone) is zoneinfo.ZoneInfo:
        return zone.key is not None
    return _library_of(zone) in _NAMED_BY


def _library_of(zone: Any) -> str:
    return str(type(zone).__module__).partition(".")[0]
