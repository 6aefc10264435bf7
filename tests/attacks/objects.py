"""Results that fight back while they are encoded, and tasks that change what encodes them.

Each entry of ``OBJECTS`` is the source of a task, or of a class ``Evil`` of which one is returned in every way below.
"""

from __future__ import annotations

EVERYWHERE = """
import itertools, os, sys, threading, time
import numpy as np, orjson, pandas as pd, pyarrow as pa
{source}
def task(g):
    evil = Evil()
    return {expression}
"""

PLACES = {
    "itself": "evil",
    "in a dict": "{'a': evil, 'b': [1, {'c': evil}, np.array([evil, None], dtype=object)]}",
    "in a column": "pd.DataFrame({'x': pd.Series([evil, 1, evil], dtype=object)})",
    "as the edges": "g.nodes(pd.DataFrame({'id': ['a']}), 'id').edges(pd.DataFrame({'s': [evil], 'd': [1]}), 's', 'd')",
}
"""Where an odd object is found."""

TABLES = ("in a column", "as the edges")
"""Places that every form has a table of."""

EVIL = {
    "reduce": "class Evil:\n    def __reduce__(self): return os.system, ('touch @@OUTSIDE_DIR@@/reduced',)",
    "claims to be a frame": "class Evil:\n    __class__ = property(lambda self: pd.DataFrame)",
    "claims to be a text": "class Evil:\n    __class__ = property(lambda self: str)",
    "claims to be a graph": "class Evil:\n    __class__ = property(lambda self: type(__import__('graphistry').bind()))",
    "has no class": "class Evil:\n    @property\n    def __class__(self): raise SystemExit(3)",
    "a class for ever": "class Evil:\n    @property\n    def __class__(self):\n        while True: pass",
    "a length below zero": "class Evil(list):\n    def __len__(self): return -1",
    "a length that lies": "class Evil(dict):\n    def __len__(self): return 2**40\n"
    "    def items(self): return [(1, 2)] * 9",
    "a length that raises": "class Evil(tuple):\n    def __len__(self): raise KeyboardInterrupt",
    "items without end": "class Evil(dict):\n    def items(self): return zip(itertools.count(), itertools.count())\n"
    "    keys = __iter__ = lambda self: itertools.count()",
    "a list without end": "class Evil(list):\n    def __iter__(self): return itertools.count()",
    "a generator without end": "def Evil(): return (x for x in itertools.count())",
    "a counter": "def Evil(): return itertools.count()",
    "a range": "def Evil(): return range(10**15)",
    "every attribute": "class Evil:\n    def __getattr__(self, name): return self\n"
    "    def __call__(self, *a, **k): return self",
    "a finalizer for ever": "class Evil:\n    def __del__(self):\n        while True: pass",
    "a finalizer that writes": "class Evil:\n"
    "    def __del__(self): os.write(4, b'\\0\\0\\0\\2{}'); os.write(3, b'x' * 100)",
    "no hash": "class Evil:\n    def __hash__(self): raise MemoryError\n"
    "    def __eq__(self, other): raise BaseException('eq')",
    "a text that encodes itself": "class Evil(str):\n    def encode(self, *a): return b'x' * 2**32\n"
    "    __str__ = __repr__ = __len__ = __hash__ = None",
    "a number that is none": "class Evil(int):\n"
    "    __index__ = __int__ = __float__ = __str__ = lambda self: os._exit(9)",
    "a float that is none": "class Evil(float):\n    __float__ = __repr__ = is_integer = None",
    "bytes that are none": "class Evil(bytes):\n    decode = hex = tobytes = None",
    "an array of its own": "class Evil:\n"
    "    __array_interface__ = {'shape': (2**20,), 'typestr': '|u1', 'data': (1, False), 'version': 3}",
    "an array that is a list": "class Evil(np.ndarray):\n    def __new__(cls): return np.zeros(3).view(cls)\n"
    "    def tolist(self): return itertools.count()\n    size = property(lambda self: -5)",
    "an array of itself": "def Evil():\n    a = np.empty(1, object)\n    a[0] = a\n    return a",
    "a frame of itself": "def Evil():\n    f = pd.DataFrame({'x': [None]}, dtype=object)\n"
    "    f.at[0, 'x'] = f\n    return f",
    "a structured array": "def Evil(): return np.zeros(2, [('a', 'O'), ('b', 'V9')])",
    "a frame that writes itself": "class Evil(pd.DataFrame):\n"
    "    def __init__(self, *a, **k): super().__init__({'x': [1]})\n"
    "    to_json = to_parquet = to_csv = to_dict = __arrow_c_stream__ = lambda self, *a, **k: os._exit(7)",
    "a frame of no shape": "class Evil(pd.DataFrame):\n"
    "    shape = columns = dtypes = iloc = property(lambda self: 1 / 0)\n"
    "    def __init__(self, *a, **k): super().__init__({'x': [1]})",
    "a frame without end": "class Evil(pd.DataFrame):\n    def __init__(self, *a, **k): super().__init__({'x': [1]})\n"
    "    def __len__(self): return 2**60\n    def set_axis(self, *a, **k): return self",
    "a stream of arrow": "class Evil:\n    def __arrow_c_stream__(self, *a): return object()\n"
    "    __arrow_c_array__ = __arrow_c_stream__",
    "labels that are odd": "class L:\n    def __str__(self): raise SystemExit\n    def __hash__(self): return 1\n"
    "def Evil(): return pd.DataFrame([[1, 2]], columns=pd.Index([L(), L()], dtype=object))",
    "buffers outside": "def Evil(): return pa.table({'x': pa.Array.from_buffers(pa.large_string(), 2, [None, "
    "pa.py_buffer((0).to_bytes(8, 'little') + (2**50).to_bytes(8, 'little') * 2), pa.py_buffer(b'x')])})",
    "codes outside": "def Evil(): return pa.table({'x': pa.DictionaryArray.from_arrays(pa.array([2**30], pa.int32()), "
    "pa.array(['a']), safe=False)})",
    "an extension of its own": "class T(pa.ExtensionType):\n"
    "    def __init__(self): super().__init__(pa.int64(), 'evil')\n"
    "    def __arrow_ext_serialize__(self): return b'cos\\nsystem\\n(S\\'touch @@OUTSIDE_DIR@@/x\\'\\ntR.'\n"
    "    @classmethod\n    def __arrow_ext_deserialize__(cls, storage, data): return cls()\n"
    "    def to_pandas_dtype(self): raise SystemExit\n"
    "def Evil(): return pa.table({'x': pa.ExtensionArray.from_storage(T(), pa.array([1]))})",
    "an extension array": """
class D(pd.api.extensions.ExtensionDtype):
    name = 'evil'; type = object; kind = 'O'; na_value = None
    @classmethod
    def construct_array_type(cls): return Evil
    numpy_dtype = property(lambda self: itertools.count())
class Evil(pd.api.extensions.ExtensionArray):
    dtype = D()
    nbytes = ndim = 1
    def __len__(self): return 3
    def __getitem__(self, item): return self if isinstance(item, slice) else os
    def to_numpy(self, *a, **k): return itertools.count()
    def __arrow_array__(self, type=None): return pa.array([1] * 7)
    def tolist(self): return [[self]]
    def isna(self): return np.array([False] * 3)
    def copy(self): return self
    def take(self, *a, **k): return self
""",
    "odd things": "import weakref, types\nclass W: pass\n"
    "def Evil(): return [sys, open, W, threading.Lock(), weakref.ref(W), ..., 1j, sys._getframe(), memoryview(b'x'), "
    "open('f', 'w'), (lambda: 1).__code__, slice(1), NotImplemented, types.MappingProxyType({}), sys.stdout]",
    "words of no json": "def Evil(): return orjson.Fragment(b'}{\\r\\nHTTP/1.1 200 OK\\r\\n\\r\\n\\xff\\0')",
    "half of a pair": "def Evil(): return 'a\\ud800b' * 1000",
}  # fmt: skip

FORMS: tuple[dict[str, str], ...] = (
    {},
    {"output_type": "table", "format": "parquet"},
    {"output_type": "table", "format": "csv"},
    {"output_type": "all", "format": "parquet"},
)

PATCHES = {
    "orjson says no bytes": "import orjson\norjson.dumps = lambda *a, **k: 'text'",
    "orjson says much": "import orjson\norjson.dumps = lambda *a, **k: bytes(2**28)",
    "orjson ends": "import orjson, os\norjson.dumps = lambda *a, **k: os._exit(5)",
    "orjson never ends": "import orjson\ndef loop(*a, **k):\n    while True: pass\norjson.dumps = loop",
    "orjson raises its own": "import orjson\nclass E(BaseException):\n    def __str__(self): raise E\n"
    "def fail(*a, **k): raise E\norjson.dumps = orjson.loads = fail",
    "arrow and pandas say nothing": "import pandas as pd, pyarrow as pa, pyarrow.parquet, pyarrow.csv\n"
    "pyarrow.parquet.write_table = pyarrow.csv.write_csv = lambda *a, **k: None\n"
    "pd.DataFrame.iloc = pd.DataFrame.columns = None\npa.array = pa.table = lambda *a, **k: 7",
    "arrow writes much": "import pyarrow.parquet, pyarrow.csv\ndef write(table, out, *a):\n"
    "    while True: out.write(b'x' * 2**20)\n"
    "pyarrow.parquet.write_table = pyarrow.csv.write_csv = write",
    "no builtins": "import builtins\n"
    "for name in ('isinstance', 'len', 'type', 'memoryview', 'str', 'int', 'BaseException', 'max'):\n"
    "    setattr(builtins, name, None)",
    "no writing": "import io, os, zipfile\nos.write = lambda fd, data: -1\nzipfile.ZipFile = None\n"
    "os.read = os.pread = None",
    "writes of no length": "import os\nos.write = lambda fd, data: 0",
    "a trace": "import sys, threading\ndef trace(*a): raise SystemExit\nsys.settrace(trace)\nsys.setprofile(trace)\n"
    "threading.settrace(trace)",
    "a trace that follows": "import sys\ndef trace(frame, event, arg):\n"
    "    frame.f_globals.setdefault('seen', []).append(event)\n"
    "    return trace\nsys.settrace(trace)",
    "an end that does not": "import atexit, os, sys\natexit.register(lambda: os.write(4, b'\\0\\0\\0\\2{}'))\n"
    "os._exit = sys.exit = lambda *a: None",
    "the server's own functions": """
import gc, os, sys
def odd(*a, **k): return {'status': 'ok', 'kind': 'zip', 'length': -1, 'run_s': 'x', 'encode_s': []}
frame = sys._getframe()
while frame:
    for name in list(frame.f_globals):
        if name in ('encode', 'send_frame', '_failure', '_flush', 'describe_exception', '_exit', 'confine'):
            frame.f_globals[name] = odd
    frame = frame.f_back
os._exit = odd
""",
    "the server's classes": """
import gc
for found in gc.get_objects():
    if isinstance(found, type) and str(found.__module__).startswith('runtime.'):
        for name in list(vars(found)):
            try: setattr(found, name, None)
            except BaseException: pass
""",
    "a collection in between": "import gc\ngc.callbacks.append(lambda *a: 1 / 0)\ngc.set_threshold(1, 1, 1)",
    "a thread that changes the result": """
import threading
kept = [{'a': i} for i in range(200_000)]
def change():
    while True:
        kept.clear(); kept.extend([{'b': [1] * 3}, 'x', None] * 30_000)
threading.Thread(target=change, daemon=True).start()
def task(g): return kept
""",
    "a thread that changes the frame": """
import threading
import pandas as pd
frame = pd.DataFrame({'x': ['a'] * 200_000, 'y': [1] * 200_000})
def change():
    while True:
        frame['z'] = 1; frame.drop(columns='z', inplace=True); frame.iloc[:, 0] = None
threading.Thread(target=change, daemon=True).start()
def task(g): return frame
""",
    "a thread that answers first": "import os, threading\n"
    "threading.Thread(target=lambda: [os.write(4, b'\\0\\0\\0\\1') for _ in range(999)], daemon=True).start()",
    "a result that shrinks": "import os\ndef task(g):\n    os.lseek(3, 10**9, 0)\n    return 'x'",
    "a result that is closed": "import os\ndef task(g):\n    os.close(3)\n"
    "    os.open('f', os.O_CREAT | os.O_RDWR)\n    return 'x'",
    "a result of somebody else": "import os\ndef task(g):\n    os.dup2(1, 3)\n    return ['x'] * 1000",
}  # fmt: skip
"""Tasks; where one has no ``task`` it returns a frame."""


def tasks() -> dict[str, str]:
    """All of them by name."""
    found = {
        f"{name}, {place}": EVERYWHERE.format(source=source, expression=expression)
        for name, source in EVIL.items()
        for place, expression in PLACES.items()
    }
    frame = "\nimport pandas as pd\ndef task(g): return pd.DataFrame({'x': [1, 2], 'y': ['a', None]})\n"
    return {**found, **{name: code if "def task" in code else f"{code}{frame}" for name, code in PATCHES.items()}}
