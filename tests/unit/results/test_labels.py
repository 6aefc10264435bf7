"""Results whose labels are left out, so that their caller is told."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from graphistry import bind as plottable  # type: ignore[attr-defined]  # exported at run time only

from runtime.results.labels import drops_labels

FRAME = pd.DataFrame({"s": ["a", "b", "a"], "w": [3, 1, 2]})


@pytest.mark.parametrize(
    "value",
    [
        FRAME["s"].value_counts(),
        FRAME.groupby("s")["w"].sum(),
        FRAME.groupby(["s", "w"]).size(),
        FRAME.set_index("w"),
        FRAME.describe(),
        FRAME.set_axis(pd.date_range("2024-05-01", periods=3)),
        FRAME.set_axis(pd.RangeIndex(0, 6, 2, name="id")),
        {"counts": FRAME["s"].value_counts()},
        [FRAME, FRAME.set_index("s")],
        {"by": {"s": FRAME["s"].value_counts()}},
        {"by": [FRAME, {"s": (FRAME.set_index("s"),)}]},
        [plottable().nodes(FRAME.set_index("s"))],
        FRAME.pivot_table(index="s", columns="w", values="w"),
    ],
    ids=[
        "value_counts",
        "groupby",
        "levels",
        "set_index",
        "describe",
        "dates",
        "named range",
        "dict",
        "list",
        "dict in dict",
        "tuple in list",
        "graph",
        "pivot",
    ],
)
def test_labels_that_say_something_are_missed(value: object) -> None:
    assert drops_labels(value)


@pytest.mark.parametrize(
    "value",
    [
        FRAME,
        FRAME[FRAME["w"] > 1],
        FRAME.sort_values("w"),
        FRAME["s"].value_counts().reset_index(),
        FRAME["s"].value_counts().to_dict(),
        FRAME.set_index("s").head(0),
        pa.Table.from_pandas(FRAME.set_index("s")),
        np.arange(3),
        {"a": 1},
        [1],
        "text",
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_row_numbers_are_not(value: object) -> None:
    assert not drops_labels(value)
