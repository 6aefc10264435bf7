"""Readers of pandas and Arrow as openers of files and addresses.

{"outcome": ["ok"], "result": {"through": []}}
"""

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs


def task(g):
    url = "http://127.0.0.1:@@LOOPBACK_PORT@@/x.csv"
    tries = {
        "csv url": lambda: pd.read_csv(url),
        "json url": lambda: pd.read_json(url),
        "parquet url": lambda: pd.read_parquet(url),
        "html url": lambda: pd.read_html(url),
        "csv secret": lambda: pd.read_csv("@@SECRET_FILE@@"),
        "fwf passwd": lambda: pd.read_fwf("/etc/passwd"),
        "file url": lambda: pd.read_csv("file:///etc/passwd"),
        "arrow csv": lambda: pa.csv.read_csv("@@SECRET_FILE@@"),
        "memory map": lambda: pa.memory_map("@@DATASET_FILE@@"),
        "dataset": lambda: pa.dataset.dataset("@@DATASET_FILE@@", format="ipc").to_table(),
        "local fs": lambda: pa.fs.LocalFileSystem().open_input_file("@@SECRET_FILE@@").read(),
        "list": lambda: pa.fs.LocalFileSystem().get_file_info(pa.fs.FileSelector("@@OUTSIDE_DIR@@")),
        "write": lambda: pd.DataFrame({"a": [1]}).to_csv("@@OUTSIDE_DIR@@/new.csv"),
        "clipboard": lambda: pd.read_clipboard(),
    }
    through = []
    for name, act in tries.items():
        try:
            act()
            through.append(name)
        except BaseException:
            continue
    return {"through": through}
