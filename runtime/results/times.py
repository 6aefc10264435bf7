"""Columns of times as ISO 8601 text, by the whole column; the same text that a single value gets."""

import numpy as np
import pandas as pd


def iso_datetimes(column: "pd.Series[pd.Timestamp]") -> list[str | None]:
    """``2024-05-01T12:00:00`` per value, with 6 or 9 digits of fraction only where there is one, and the
    offset from UTC where the column has a time zone. Missing values are None.
    """
    zone = getattr(column.dtype, "tz", None)
    wall = column if zone is None else column.dt.tz_localize(None)
    stamps = wall.to_numpy()
    missing = np.isnat(stamps)
    seconds = stamps.astype("M8[s]")
    texts: list[str | None] = np.datetime_as_string(seconds).tolist()
    fractions = np.where(missing, 0, (stamps - seconds).astype("m8[ns]").astype(np.int64))
    for row in np.flatnonzero(fractions):
        micros, nanos = divmod(int(fractions[row]), 1000)
        texts[row] = f"{texts[row]}.{micros:06d}{nanos:03d}" if nanos else f"{texts[row]}.{micros:06d}"
    if zone is not None:
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        offsets = np.where(missing, 0, (stamps - utc).astype("m8[s]").astype(np.int64))
        distinct, which = np.unique(offsets, return_inverse=True)
        suffixes = [_offset(int(offset)) for offset in distinct]
        texts = [f"{text}{suffixes[index]}" for text, index in zip(texts, which.tolist(), strict=True)]
    for row in np.flatnonzero(missing):
        texts[row] = None
    return texts


def _offset(seconds: int) -> str:
    sign, rest = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{rest // 3600:02d}:{rest % 3600 // 60:02d}"
    return f"{text}:{rest % 60:02d}" if rest % 60 else text
