# mypy: ignore-errors
"""What people really do in tasks: the sandbox must let it through.

Each function is one task. The system calls that they make (``strace -f``) are where the sandbox's list comes from.
"""

from __future__ import annotations

from typing import Any


def frames(g: Any) -> Any:
    import numpy as np
    import pandas as pd

    edges = g._edges
    wide = edges.assign(t=pd.date_range("2026-01-01", periods=len(edges), freq="h", tz="Europe/Berlin"))
    wide["c"] = wide["s"].astype("category")
    wide["n"] = np.random.default_rng(0).normal(size=len(wide))
    grouped = wide.groupby("s", observed=True)["n"].agg(["mean", "std", "count"])
    merged = wide.merge(grouped, left_on="s", right_index=True, how="left")
    merged["day"] = merged["t"].dt.tz_convert("UTC").dt.day_name()
    pivot = merged.pivot_table(index="day", columns="s", values="n", aggfunc="sum")
    merged["r"] = merged["n"].rolling(3).mean()
    merged.query("n > 0").eval("m = n * 2").sort_values("m")
    merged["s"].str.upper().str.contains("A").sum()
    return [len(pivot), merged["r"].notna().sum(), edges.drop_duplicates().describe().shape]


def files(g: Any) -> Any:
    import csv
    import gzip
    import os
    import pathlib
    import shutil
    import sqlite3
    import tempfile
    import zipfile

    import pandas as pd

    edges = g._edges
    edges.to_csv("e.csv", index=False)
    edges.to_parquet("e.parquet")
    edges.to_json("e.json", orient="records")
    edges.to_feather("e.feather")
    edges.to_pickle("e.pickle")
    back = [pd.read_csv("e.csv"), pd.read_parquet("e.parquet"), pd.read_json("e.json"), pd.read_feather("e.feather")]
    pd.read_pickle("e.pickle")
    with gzip.open("e.csv.gz", "wb") as target, open("e.csv", "rb") as source:
        shutil.copyfileobj(source, target)
    with zipfile.ZipFile("e.zip", "w") as archive:
        archive.write("e.csv")
    with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryDirectory() as folder:
        csv.writer(file).writerow([1, 2])
        file.flush()
        os.fsync(file.fileno())
        shutil.copy("e.csv", pathlib.Path(folder) / "copy.csv")
        os.rename(pathlib.Path(folder) / "copy.csv", pathlib.Path(folder) / "other.csv")
        found = [entry.name for entry in os.scandir(folder)]
    with sqlite3.connect("db.sqlite") as database:
        edges.to_sql("edges", database, index=False)
        count = database.execute("select count(*) from edges").fetchone()[0]
    os.makedirs("a/b", exist_ok=True)
    os.symlink("e.csv", "a/link")
    shutil.copy("e.csv", "copy.csv")
    os.truncate("copy.csv", 10)
    pathlib.Path("a/link").unlink()
    shutil.rmtree("a")
    os.chdir(".")
    return [len(frame) for frame in back] + [found, count, os.getcwd() != "", sorted(os.listdir("."))]


def arrow(g: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.dataset as ds
    import pyarrow.orc
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(g._edges, preserve_index=False)
    pa.set_cpu_count(4)
    big = pa.concat_tables([table] * 2000).combine_chunks()
    pq.write_table(big, "big.parquet", row_group_size=1000, compression="zstd")
    pa.orc.write_table(big, "big.orc")
    pa.csv.write_csv(big, "big.csv")
    parts = [pq.read_table("big.parquet"), pa.csv.read_csv("big.csv"), pa.orc.read_table("big.orc")]
    ds.write_dataset(big, "parts", format="parquet", partitioning=["s"], partitioning_flavor="hive")
    counted = (
        ds.dataset("parts", format="parquet", partitioning="hive").to_table().group_by("w").aggregate([("w", "sum")])
    )
    joined = big.join(counted, "w")
    with pa.memory_map("big.orc") as mapped:
        mapped.read()
    return [part.num_rows for part in parts] + [joined.num_rows, pc.sum(big["w"]).as_py()]


def graphs(g: Any) -> Any:
    import pandas as pd
    from graphistry import e_forward, n

    degrees = g.get_degrees()._nodes
    hop = g.hop(pd.DataFrame({g.materialize_nodes()._node: degrees.iloc[:1, 0].tolist()}), hops=2)
    chain = g.gfql([n(), e_forward(hops=2), n()])
    levels = g.materialize_nodes().get_topological_levels(allow_cycles=True)
    encoded = g.encode_edge_color("w", palette=["blue", "red"], as_continuous=True).bind(edge_title="s")
    collapsed = g.materialize_nodes().prune_self_edges().drop_nodes(["a"])
    circle = g.materialize_nodes().circle_layout(bounding_box=(0, 0, 1, 1))
    return [len(degrees), len(hop._edges), len(chain._nodes), len(levels._nodes), len(collapsed._edges),
            len(circle._nodes), encoded._source]  # fmt: skip


def igraphs(g: Any) -> Any:
    import igraph

    ranked = g.materialize_nodes().compute_igraph("pagerank")
    laid = g.materialize_nodes().layout_igraph("fr")
    return [igraph.__version__, len(ranked._nodes), len(laid._nodes)]


def networks(g: Any) -> Any:
    import networkx as nx

    graph = nx.from_pandas_edgelist(g._edges, "s", "d", create_using=nx.DiGraph)
    return [nx.number_weakly_connected_components(graph), sorted(nx.pagerank(graph))]


def learning(g: Any) -> Any:
    import numpy as np
    from sklearn.cluster import DBSCAN, KMeans
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import StandardScaler

    points = StandardScaler().fit_transform(np.random.default_rng(0).normal(size=(500, 8)))
    labels = KMeans(3, n_init=2, random_state=0).fit_predict(points)
    DBSCAN(eps=2).fit(points)
    forest = RandomForestClassifier(20, n_jobs=2, random_state=0).fit(PCA(4).fit_transform(points), labels)
    return [int(labels.max()), len(forest.estimators_)]


def science(g: Any) -> Any:
    import numpy as np
    import scipy.optimize
    import scipy.sparse as sparse
    import scipy.sparse.linalg

    matrix = np.random.default_rng(0).normal(size=(400, 400))
    values = np.linalg.svd(matrix @ matrix.T, compute_uv=False)
    np.fft.fft(matrix)
    eigen = sparse.linalg.eigs(sparse.random(200, 200, 0.05, random_state=0) + sparse.eye(200), k=3)[0]
    best = scipy.optimize.minimize(lambda x: ((x - 1) ** 2).sum(), np.zeros(3))
    np.save("m.npy", matrix)
    mapped = np.load("m.npy", mmap_mode="r")
    return [values.shape[0], len(eigen), bool(best.success), mapped.shape[0]]


def polars_frames(g: Any) -> Any:
    import polars as pl

    edges = pl.from_pandas(g._edges)
    sums = edges.group_by("s").agg(pl.col("w").sum()).sort("s")
    joined = edges.lazy().join(sums.lazy(), on="s").collect()
    edges.write_parquet("p.parquet")
    edges.write_csv("p.csv")
    scanned = pl.scan_parquet("p.parquet").filter(pl.col("w") > 1).collect()
    streamed = pl.scan_csv("p.csv").group_by("s").agg(pl.len()).collect(engine="streaming")
    edges.lazy().sink_parquet("q.parquet")
    return [len(joined), len(scanned), len(streamed), len(pl.read_parquet("q.parquet"))]


def duckdb_tables(g: Any) -> Any:
    import duckdb

    edges = g._edges  # noqa: F841  duckdb finds it by its name
    database = duckdb.connect("d.duckdb")
    database.execute("create table edges as select * from edges")
    database.execute("copy edges to 'd.parquet'")
    counted = database.execute("select count(*) from 'd.parquet'").fetchall()
    sums = database.execute("select s, sum(w) from edges group by s order by s").fetchall()
    database.execute("create table many as select range as n from range(300000)")
    ordered = database.execute("select n from many order by hash(n) limit 3").fetchall()
    database.close()
    return [counted, sums, len(ordered)]


def numba_functions(g: Any) -> Any:
    import numba
    import numpy as np

    @numba.njit(parallel=True)
    def total(values):
        summed = 0.0
        for index in numba.prange(len(values)):
            summed += values[index]
        return summed

    return [round(total(np.ones(1000)))]


def threads(g: Any) -> Any:
    import queue
    import threading
    import time
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        squares = list(pool.map(lambda x: x * x, range(10)))
    waiting = queue.Queue()
    thread = threading.Thread(target=waiting.put, args=(1,))
    thread.start()
    thread.join()
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    event.wait(1)
    time.sleep(0.01)
    return [squares[-1], waiting.get(timeout=1)]


def event_loops(g: Any) -> Any:
    import asyncio
    import os
    import signal
    import threading

    async def later() -> list[Any]:
        await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(3)))
        loop = asyncio.get_running_loop()
        woken, signalled = asyncio.Event(), asyncio.Event()
        threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,)).start()
        loop.add_signal_handler(signal.SIGUSR1, signalled.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        reading, writing = os.pipe()
        stream = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb"))
        os.write(writing, b"a line\n")
        os.close(writing)
        await asyncio.wait_for(asyncio.gather(woken.wait(), signalled.wait()), 5)
        return [(await stream.readline()).decode(), await asyncio.to_thread(lambda: 7)]

    return [asyncio.run(later()) for _ in range(3)]


def databases(g: Any) -> Any:
    import sqlite3
    import threading

    def write(name: str) -> None:
        with sqlite3.connect(name) as database:
            database.execute("delete from edges where s = 'a'")

    told = []
    for mode in ("delete", "wal", "truncate"):
        name = f"{mode}.sqlite"
        one, other = (sqlite3.connect(name, timeout=0) for _ in range(2))
        told += one.execute(f"pragma journal_mode={mode}").fetchone()
        g._edges.to_sql("edges", one, index=False)
        one.execute("begin immediate")
        one.execute("delete from edges")
        told += other.execute("select count(*) from edges").fetchone()
        try:
            other.execute("begin immediate")
        except sqlite3.OperationalError as error:
            told.append(str(error))
        one.rollback()
        thread = threading.Thread(target=write, args=(name,))
        thread.start()
        thread.join()
        told += other.execute("select count(*) from edges").fetchone()
        told += other.execute("pragma integrity_check").fetchone()
    return told


def standard_library(g: Any) -> Any:
    import ctypes
    import datetime
    import decimal
    import faulthandler
    import fractions
    import getpass
    import hashlib
    import importlib
    import inspect
    import json
    import locale
    import logging
    import multiprocessing
    import os
    import pickle
    import platform
    import random
    import re
    import resource
    import secrets
    import select
    import selectors
    import signal
    import statistics
    import sys
    import time
    import urllib.parse
    import uuid
    import warnings
    import xml.etree.ElementTree
    import zoneinfo

    logging.getLogger("task").warning("a line")
    logging.basicConfig(filename="task.log")
    warnings.warn("another", stacklevel=1)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.02)
    reading, writing = os.pipe()
    os.write(writing, b"x")
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        selector.select(1)
    select.select([reading], [], [], 1)
    os.read(reading, 1)
    for name in (
        "colorsys",
        "difflib",
        "email.message",
        "html.parser",
        "ipaddress",
        "plistlib",
        "tarfile",
        "turtledemo",
    ):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    ctypes.CDLL(None).getpid()
    try:
        getpass.getuser()
    except Exception:  # a throwaway user has no name
        pass
    return [
        hashlib.sha256(json.dumps({"a": 1}).encode()).hexdigest()[:4], str(decimal.Decimal("1.1") + 1),
        str(fractions.Fraction(1, 3)), locale.getlocale()[1], os.cpu_count() is not None, platform.system(),
        len(pickle.dumps([1])), random.random() < 1, bool(re.match("a", "a")), resource.getrusage(0).ru_utime >= 0,
        len(secrets.token_hex(4)), statistics.median([1, 2]), sys.getrecursionlimit() > 1,
        urllib.parse.quote("ä"), len(uuid.uuid4().hex), xml.etree.ElementTree.fromstring("<a/>").tag,
        str(datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin")))[:2], inspect.isfunction(print),
        multiprocessing.cpu_count() > 0, faulthandler.is_enabled(), os.getloadavg()[0] >= 0, os.times().user >= 0,
        os.uname().sysname, os.path.exists("/usr"), time.get_clock_info("monotonic").monotonic,
    ]  # fmt: skip


WORKLOADS = (
    frames, files, arrow, graphs, igraphs, networks, learning, science, polars_frames, duckdb_tables, numba_functions,
    threads, event_loops, databases, standard_library,
)  # fmt: skip
