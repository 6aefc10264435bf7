"""Jobs that only the real libraries can do: imports, forks after them, kernels compiled while running."""

import importlib
import importlib.metadata
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tools.gpu.questions.channel import Channel
from tools.gpu.questions.machine import GIB, Laps, Machine, told

PACKAGES: Final = (
    "cudf-cu13", "pylibcudf-cu13", "libcudf-cu13", "rmm-cu13", "librmm-cu13", "cuda-bindings", "cupy-cuda13x", "numba",
    "numba-cuda", "nvidia-nvjitlink", "nvidia-libnvcomp-cu13", "numpy", "pandas", "pyarrow", "graphistry",
)  # fmt: skip


def versions(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Return the versions of what is installed."""
    found: dict[str, Any] = {"python": sys.version.split()[0], "kernel": os.uname().release}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def library(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Show that the library has code for this device. Each step uses other kernels."""
    import cudf

    frame = cudf.DataFrame({"a": ["x", "y", "x", None], "b": [1, 2, 3, 4], "t": [0.5, 1.5, 2.5, 3.5]})
    other = cudf.DataFrame({"a": ["x", "y"], "z": [10, 20]})
    return _each(
        {
            "sum": lambda: int(frame["b"].sum()) == 10,
            "group_by": lambda: frame.groupby("a").b.sum().to_pandas().to_dict() == {"x": 4, "y": 2},
            "join": lambda: int(frame.merge(other, on="a")["z"].sum()) == 40,
            "sort": lambda: frame.sort_values("t", ascending=False).b.to_arrow().to_pylist() == [4, 3, 2, 1],
            "text": lambda: int(frame["a"].str.upper().str.contains("X").sum()) == 2,
            "category": lambda: len(frame["a"].astype("category").cat.categories) == 2,
            "time": lambda: str(cudf.to_datetime(cudf.Series(["2026-01-01"])).dt.year.iloc[0]) == "2026",
        }
    )


def imports(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Report after each import: is the driver initialized, which threads exist, memory, milliseconds."""
    answer: dict[str, Any] = {"before": _state()}
    for name in ("rmm", "cupy", "cudf", "graphistry"):
        laps = Laps()
        with laps("import"):
            importlib.import_module(name)
        answer[name] = {**laps.ms, **_state()}
    return answer


def forks(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Fork a process that imported all and initialized nothing. Do the children get a context, and how soon?"""
    import cudf  # noqa: F401
    import graphistry  # noqa: F401

    answer: dict[str, Any] = {"parent_before": _state()}
    for number in ("first", "second"):
        began = time.perf_counter()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _forked(write, began)
        os.close(write)
        with os.fdopen(read) as told_by_child:
            answer[number] = told_by_child.read() or "it ended without a word"
        answer[f"{number}_status"] = os.waitpid(pid, 0)[1]
    answer["parent_after"] = _state()
    return answer


def _forked(write: int, began: float) -> None:
    """Run in the child. Never returns."""
    try:
        import cudf
        import cupy

        forked = time.perf_counter()
        cupy.cuda.runtime.free(0)
        context = time.perf_counter()
        total = int(cudf.Series([1, 2, 3]).sum())
        done = time.perf_counter()
        text = f"fork {1000 * (forked - began):.1f} ms, context {1000 * (context - forked):.1f} ms, "
        os.write(write, f"{text}first sum {1000 * (done - context):.1f} ms, right: {total == 6}".encode())
    except BaseException as error:
        os.write(write, told(error).encode())
    finally:
        os._exit(0)


def compiled(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Run what is compiled or linked while running, and so depends on nvJitLink, nvrtc and numba."""
    machine.start()
    machine.make_ready(4 * GIB)
    import cudf
    import cupy

    series = cudf.Series([1, 2, 3])

    def raw() -> bool:
        cell = cupy.zeros(1, "i4")
        cupy.RawKernel('extern "C" __global__ void k(int* p) { p[0] = 5; }', "k")((1,), (1,), (cell,))
        return int(cell[0]) == 5

    return _each(
        {
            "cupy_raw_kernel": raw,
            "cupy_elementwise": lambda: int((cupy.arange(4) * 2 + 1).sum()) == 16,
            "series_apply": lambda: int(series.apply(lambda x: x + 1).sum()) == 9,
            "frame_apply": lambda: int(series.to_frame("a").apply(lambda row: row["a"] * 2, axis=1).sum()) == 12,
            "text_apply": lambda: int(cudf.Series(["a", "bb"]).apply(lambda text: len(text)).sum()) == 3,
            "group_by_apply": lambda: len(series.to_frame("a").groupby("a").apply(lambda part: part)) == 3,
            "eval": lambda: int(series.to_frame("a").eval("b = a * 2").b.sum()) == 12,
        }
    )


def graph(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Run PyGraphistry's own work on cuDF frames. Does it stay on the device?"""
    machine.start()
    machine.make_ready(4 * GIB)
    import cudf

    graphistry: Any = importlib.import_module("graphistry")  # mypy cannot follow its plottables
    edges = cudf.DataFrame({"s": [0, 1, 2, 3], "d": [1, 2, 3, 4]})
    g = graphistry.edges(edges, "s", "d")
    n, e_forward = graphistry.n, graphistry.e_forward

    def frame_kind(frame: Any) -> str:
        return f"{type(frame).__module__}.{type(frame).__qualname__}"

    return _each(
        {
            "materialize_nodes": lambda: frame_kind(g.materialize_nodes(engine="cudf")._nodes),
            "degrees": lambda: frame_kind(g.get_degrees()._nodes),
            "hop": lambda: frame_kind(g.hop(cudf.DataFrame({"id": [0]}), hops=2, engine="cudf")._edges),
            "gfql": lambda: frame_kind(g.gfql([n({"id": 0}), e_forward(hops=2), n()], engine="cudf")._edges),
            "gfql_auto": lambda: frame_kind(g.gfql([n({"id": 0}), e_forward(hops=2), n()])._edges),
        }
    )


def throwaway_user(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Make a context as a user that owns nothing, as seats are on machines where the server runs as root."""
    if os.getuid() != 0:
        return {"skipped": "needs root"}
    import cudf

    os.setgroups([])
    os.setresgid(61_000, 61_000, 61_000)
    os.setresuid(61_000, 61_000, 61_000)
    return {"sum_right": int(cudf.Series([1, 2, 3]).sum()) == 6, "home": os.environ.get("HOME")}


def _each(steps: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Do each step. One that fails does not hide the others."""
    answer: dict[str, Any] = {}
    for name, step in steps.items():
        began = time.perf_counter()
        try:
            answer[name] = {"answer": step()}
        except Exception as error:
            answer[name] = {"error": told(error)}
        answer[name]["ms"] = round(1000 * (time.perf_counter() - began), 1)
    return answer


def _state() -> dict[str, Any]:
    """Return the process's state.

    ``cuda``: the driver's answer to a question that needs cuInit, if the driver is loaded.
    """
    loaded = "libcuda.so" in Path("/proc/self/maps").read_text()
    state: dict[str, Any] = {"libcuda_loaded": loaded, "resident_mib": _resident_mib(), "threads": _threads()}
    if loaded:
        from cuda.bindings import driver

        state["cuda"] = str(driver.cuDeviceGetCount()[0])
    return state


def _threads() -> list[str]:
    return sorted(Path(f"/proc/self/task/{task}/comm").read_text().strip() for task in os.listdir("/proc/self/task"))


def _resident_mib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
