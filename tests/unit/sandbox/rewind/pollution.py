"""Tasks that leave something behind: each names the row of the table of kernel state that it is about.

``unfit`` is the reason for which the seat ends; None if all of it is undone.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pollution:
    row: str
    code: str
    unfit: str | None = None


def _task(body: str, imports: str = "os") -> str:
    lines = "\n    ".join(body.strip().splitlines())
    return f"import {imports}\n_libc = __import__('ctypes').CDLL(None, use_errno=True)\ndef task(g):\n    {lines}\n"


_MAPPINGS = "[line.split() for line in open('/proc/self/maps')]"
_HEAP = f"a, b = (int(x, 16) for x in [m for m in {_MAPPINGS} if m[-1] == '[heap]'][0][0].split('-'))"
POLLUTIONS: dict[str, Pollution] = {
    # Python's own state, all of it memory.
    "builtins": Pollution("memory", _task("builtins.sum = 7; builtins.open = None; builtins.spy = 's'", "builtins")),
    "modules": Pollution(
        "memory",
        _task(
            "pd.DataFrame.groupby = None; json.dumps = print; sys.modules['spy'] = sys; os.getcwd = id\n"
            "sys.path.append('/spy'); sys.stdout = None",
            "json, os, sys, pandas as pd",
        ),
    ),
    "numpy": Pollution("memory", _task("np.seterr(all='raise'); np.random.seed(0)", "numpy as np")),
    "options": Pollution(
        "memory",
        _task(
            "pd.set_option('display.max_rows', 3); decimal.getcontext().prec = 5; gc.disable(); gc.set_threshold(1)\n"
            "gc.unfreeze(); os.environ['SPY'] = '1'; sys.setrecursionlimit(5000); sys.setswitchinterval(1)\n"
            "warnings.simplefilter('error'); sys.excepthook = print; sys.settrace(print); sys.setprofile(print)",
            "decimal, gc, os, sys, warnings, pandas as pd",
        ),
    ),
    "graph": Pollution("memory", _task("g._edges.loc[0, 'w'] = 99; g._edges['x'] = 1; g.spy = 1")),
    "column in place": Pollution(
        "memory", _task("ctypes.memset(g._edges['w'].to_numpy().ctypes.data, 255, 8)", "ctypes")
    ),
    "100 MB kept": Pollution("added mappings", _task("builtins.kept = np.ones(13 << 20)", "builtins, numpy as np")),
    "a million objects kept": Pollution(
        "size of the heap", _task("builtins.kept = [object() for _ in range(1_000_000)]", "builtins")
    ),
    "exception kept": Pollution(
        "memory", _task("try:\n    x = bytearray(10**7); 1 / 0\nexcept Exception as e:\n    sys.last_value = e", "sys")
    ),
    "raised": Pollution("memory", _task("x = bytearray(10**6); raise ValueError('no')")),
    "heap moved within a page": Pollution(
        "size of the heap",
        _task("_libc.sbrk(ctypes.c_long(-16))", "ctypes"),
    ),
    "recursion": Pollution(
        "memory",
        _task("sys.setrecursionlimit(6000)\ndef f(n): return f(n + 1) if n < 5000 else 0\nf(0)", "sys"),
    ),
    "recursion in C": Pollution(
        "memory",
        _task("x = []\nfor _ in range(20000): x = [x]\ntry: repr(x)\nexcept RecursionError: pass"),
    ),
    "random words of the heap": Pollution(
        "memory",
        _task(
            f"{_HEAP}\nfor p in random.sample(range(a, b - 4096, 4096), 50):\n"
            "    v = ctypes.c_uint64.from_address(p)\n    if v.value == 0: v.value = 7",
            "ctypes, random",
        ),
    ),
    "Arrow's memory": Pollution(
        "memory", _task("p = pa.system_memory_pool(); pa.set_memory_pool(p); pa.kept = pa.nulls(9999)", "pyarrow as pa")
    ),
    "imports": Pollution(
        "added mappings", _task("import sqlite3, ssl, asyncio, xml.dom.minidom, multiprocessing.pool, pyarrow.dataset")
    ),
    "an event loop": Pollution(
        "memory", _task("async def f(): await asyncio.sleep(0.01); return 5\nassert asyncio.run(f()) == 5", "asyncio")
    ),
    "memory given back": Pollution("memory", _task("gc.collect(); _libc.malloc_trim(0)", "gc")),
    "end of the heap moved": Pollution(
        "size of the heap",
        _task(
            "_libc.syscall.restype = ctypes.c_long\n_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]\n"
            "a = _libc.syscall(12, ctypes.c_void_p(0)); b = _libc.syscall(12, ctypes.c_void_p(a + (64 << 20)))\n"
            "assert b > a and _libc.munmap(a, b - a) == 0",
            "ctypes",
        ),
        "ended",
    ),
    "end of the heap moved within a page": Pollution(
        "size of the heap",
        _task(
            "_libc.syscall.restype = ctypes.c_long\na = _libc.syscall(12, ctypes.c_void_p(0))\n"
            "_libc.syscall(12, ctypes.c_void_p(a - 0x120))\n"
            "resource.setrlimit(resource.RLIMIT_DATA, (0, resource.getrlimit(resource.RLIMIT_DATA)[1]))",
            "ctypes, resource",
        ),
    ),
    # Registers.
    "flag that only the thread changes": Pollution(
        "registers",
        _task(
            "m = mmap.mmap(-1, 4096, 34, 7)\nm.write(bytes.fromhex('9c810c24000020009dc3'))\n"
            "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()",
            "ctypes, mmap",
        ),
        "registers",
    ),
    "rounding": Pollution("registers", _task("ctypes.CDLL('libm.so.6').fesetround(0x400)", "ctypes")),
    "halt in a call": Pollution("call in progress", _task("signal.pause = lambda: time.sleep(1000)", "signal, time")),
    "halt with other signals blocked": Pollution(
        "blocked signals",
        _task(
            "m = ctypes.c_uint64(1 << 9)\n"
            "signal.pause = lambda: _libc.syscall(130, ctypes.byref(m), ctypes.c_size_t(8))",
            "ctypes, signal",
        ),
    ),
    # Mappings.
    "mapping added": Pollution(
        "added mappings", _task("builtins.m = mmap.mmap(-1, 1 << 20, 34); builtins.m[0] = 1", "builtins, mmap")
    ),
    "many mappings added": Pollution(
        "added mappings",
        _task("builtins.m = [mmap.mmap(-1, 4096, 34, 1 + n % 2) for n in range(2200)]", "builtins, mmap"),
    ),
    "heap dropped": Pollution(
        "mappings of the baseline",
        _task(
            f"{_HEAP}\n_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]\n"
            "assert _libc.madvise(a + 40960, 4096, 4) == -1",
            "ctypes",
        ),
    ),
    "pages moved": Pollution(
        "mappings of the baseline",
        _task(
            "m = mmap.mmap(-1, 16384, 34)\na = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
            "_libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]\n"
            "assert _libc.mremap(a, 16384, 65536, 1) == -1",
            "ctypes, mmap",
        ),
    ),
    "mapping named": Pollution(
        "names of mappings",
        _task(
            f"{_HEAP}\n_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 3, ctypes.c_char_p]\n"
            "assert _libc.prctl(0x53564D41, 0, a, 4096, b'spy') == -1",
            "ctypes",
        ),
    ),
    # Threads and signals.
    "threads ended": Pollution(
        "threads",
        _task(
            "ts = [threading.Thread(target=sum, args=([1],)) for _ in range(4)]\n[t.start() for t in ts]\n"
            "[t.join() for t in ts]",
            "threading",
        ),
    ),
    "thread left": Pollution(
        "threads", _task("threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()", "threading, time")
    ),
    "threads that compute": Pollution(
        "threads",
        _task(
            "def f():\n    while True: sys.kept = [0] * 99\n"
            "[threading.Thread(target=f, daemon=True).start() for _ in range(8)]",
            "sys, threading",
        ),
    ),
    "threads that start others": Pollution(
        "threads",
        _task(
            "def f(): time.sleep(0.01); threading.Thread(target=f, daemon=True).start()\n"
            "[threading.Thread(target=f, daemon=True).start() for _ in range(8)]",
            "threading, time",
        ),
    ),
    "threads that write where it confirms": Pollution(
        "threads",
        _task(
            "def f():\n    while True: os.write(5, b's')\n"
            "[threading.Thread(target=f, daemon=True).start() for _ in range(2)]",
            "os, threading",
        ),
    ),
    "pools of threads": Pollution(
        "threads",
        _task(
            "import pyarrow.compute\npa.set_cpu_count(4)\nt = pa.table({'a': list(range(1000)) * 100})\n"
            "assert t.group_by('a').aggregate([('a', 'count')]).num_rows == 1000",
            "pyarrow as pa",
        ),
    ),
    "signals": Pollution(
        "handled signals",
        _task(
            "signal.signal(signal.SIGUSR1, print); signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)",
            "signal",
        ),
    ),
    "another function for a signal": Pollution(
        "handled signals",
        _task("_libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]\n"
              "_libc.signal(25, ctypes.cast(_libc.abs, ctypes.c_void_p).value)", "ctypes"),
    ),
    "actions of signals that are not handled": Pollution(
        "handled signals",
        _task(
            "for n in range(1, 65):\n"
            "    old = ctypes.create_string_buffer(32)\n    _libc.syscall(13, n, None, old, ctypes.c_size_t(8))\n"
            "    if old.raw[:8] < b'\\x02':\n"
            "        _libc.syscall(13, n, old.raw[:8] + b'SECRETS!' * 3, None, ctypes.c_size_t(8))",
            "ctypes",
        ),
    ),
    "signals ignored": Pollution("ignored signals", _task("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "signal")),
    "signals blocked": Pollution(
        "blocked signals", _task("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])", "signal")
    ),
    "signal waiting": Pollution(
        "waiting signals",
        _task(
            "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2)",
            "os, signal",
        ),
    ),
    "signals waiting for all": Pollution(
        "waiting signals",
        _task(
            "every = signal.valid_signals() - {9, 19}\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, every)\n[os.kill(os.getpid(), n) for n in every]",
            "os, signal",
        ),
    ),
    "signal stack": Pollution(
        "signal stack",
        _task(
            "b = ctypes.create_string_buffer(65536)\n"
            "s = struct.pack('QiiQ', ctypes.addressof(b), 0, 0, 65536)\nassert _libc.sigaltstack(s, None) == 0",
            "ctypes, struct",
        ),
    ),
    "signal stack over the stack": Pollution(
        "signal stack",
        _task(
            "assert _libc.sigaltstack(struct.pack('QiiQ', 4096, 0, 0, 0x7FFFFFFF0000), None) == 0", "struct"
        ),
        "ended",
    ),
    "timers": Pollution(
        "interval timers", _task("[signal.setitimer(n, 50, 50) for n in range(3)]; signal.alarm(50)", "signal")
    ),
    "timer firing": Pollution(
        "interval timers",
        _task("signal.signal(14, lambda *_: 0); signal.setitimer(0, 0.002, 0.002); time.sleep(0.05)", "signal, time"),
    ),
    # Descriptors.
    "descriptor closed": Pollution("descriptors", _task("os.close(0)"), "descriptors"),
    "descriptor doubled": Pollution("added descriptors", _task("os.dup2(0, 20)")),
    "many descriptors": Pollution("added descriptors", _task("[os.pipe() for _ in range(100)]; open('kept', 'w')")),
    "deleted file mapped and left": Pollution(
        "added descriptors",
        _task("mmap.f = open('x', 'w+b'); mmap.f.truncate(8192); mmap.m = mmap.mmap(mmap.f.fileno(), 8192)\n"
              "os.unlink('x'); mmap.m[0] = 1", "mmap, os"),
    ),
    "descriptor replaced": Pollution(
        "descriptors", _task("f = os.open('x', os.O_CREAT | os.O_RDWR); os.dup2(f, 0); os.close(f)"), "descriptors"
    ),
    "descriptor's flag": Pollution("descriptors", _task("os.set_blocking(1, False)"), "descriptors"),
    "descriptor inherited": Pollution("descriptors", _task("os.set_inheritable(4, False)"), "descriptors"),
    "tracker closed": Pollution("descriptors", _task("os.close(6)"), "descriptors"),
    "tracker replaced": Pollution(
        "descriptors", _task("f = os.eventfd(0) if hasattr(os, 'eventfd') else os.dup(0); os.dup2(f, 6); os.close(f)"),
        "descriptors",
    ),
    "epoll object used": Pollution(
        "epoll objects",
        _task(
            "e, (r, w) = select.epoll(), os.pipe()\ne.register(w)\nassert e.poll(5)\n"
            "e.close(); os.close(r); os.close(w)",
            "os, select",
        ),
    ),
    "epoll object left": Pollution("epoll objects", _task("select.kept = select.epoll()", "select")),
    "orders planted": Pollution(
        "descriptors",
        _task("try: os.open('/proc/self/fd/5', os.O_WRONLY)\nexcept OSError as e: assert e.errno == 6, e"),
    ),
    "confirmation planted": Pollution("descriptors", _task("os.write(5, b's' * 100)")),
    "result moved": Pollution("position in the result", _task("os.lseek(3, 1000, 0); os.pwrite(3, b'spy', 5000)")),
    "result mapped": Pollution(
        "added mappings",
        _task(
            "_libc.mmap.restype = ctypes.c_void_p\na = _libc.mmap(None, 4096, 3, 1, 3, ctypes.c_long(0))\n"
            "ctypes.memset(a, 7, 100)",
            "ctypes",
        ),
    ),
    "file with another end of line mapped": Pollution(
        "added mappings",
        _task(
            "open('x\\rgarbage', 'wb').write(b'a' * 4096)\nf = open('x\\rgarbage', 'r+b')\n"
            "builtins.kept = f, mmap.mmap(f.fileno(), 4096, 2, 3)",
            "builtins, mmap",
        ),
    ),
    "file left": Pollution("working directory", _task("open('left', 'w').write('spy'); os.mkdir('d'); os.chdir('d')")),
    # The rest.
    "mask of files": Pollution("mask of new files", _task("os.umask(0o777)")),
    "name": Pollution("name", _task("_libc.prctl(15, b'spy', 0, 0, 0)")),
    "soft limits": Pollution(
        "soft limits",
        _task(
            "for n in (resource.RLIMIT_STACK, resource.RLIMIT_NOFILE):\n"
            "    resource.setrlimit(n, (50, resource.getrlimit(n)[1]))",
            "resource",
        ),
    ),
    "limit of processor time": Pollution(
        "limit of processor time",
        _task(
            "signal.signal(signal.SIGXCPU, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_CPU, (1, -1))",
            "resource, signal",
        ),
    ),
    "hard limits": Pollution(
        "hard limits", _task("resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))", "resource"), "limits"
    ),
    "niceness": Pollution("priority", _task("os.nice(3)"), "priority"),
    "robust locks": Pollution(
        "robust locks", _task("assert _libc.syscall(273, ctypes.c_void_p(12345), ctypes.c_size_t(24)) == 0", "ctypes"),
        "registrations",
    ),
    "random states": Pollution("random states", _task("random.seed(1); np.random.seed(1)", "random, numpy as np")),
    "printed": Pollution("memory", _task("print('spy'); sys.stderr.write('partial')", "sys")),
}  # fmt: skip

PROBE = r"""
import builtins, ctypes, decimal, gc, io, json, locale, os, random, resource, signal, struct, sys, threading, warnings
import numpy as np, pandas as pd, pyarrow as pa

def task(g):
    libc, edges, seen = ctypes.CDLL(None, use_errno=True), g._edges, {}
    seen["rows"], seen["columns"], seen["frame"] = len(edges), list(edges.columns), edges.to_json()
    seen["dtypes"] = [str(kind) for kind in edges.dtypes]
    seen["graph"] = sorted(vars(g))
    seen["modules"] = sorted(sys.modules)
    seen["builtins"] = sorted(vars(builtins))
    seen["len"], seen["sum"], seen["open"] = len([1, 2]), builtins.sum([1, 2]), builtins.open is io.open
    seen["numpy errors"], seen["numpy print"] = np.geterr(), np.get_printoptions()["precision"]
    seen["division"], seen["float"] = float(np.float64(1) / 3), 0.1 + 0.2
    seen["pandas"] = [pd.get_option("display.max_rows"), pd.get_option("display.width")]
    seen["groupby"] = pd.DataFrame({"a": [1, 1], "b": [2, 3]}).groupby("a").sum().to_dict()
    seen["json"] = json.dumps({"a": 1})
    seen["pool"], seen["Arrow bytes"] = pa.default_memory_pool().backend_name, pa.total_allocated_bytes()
    seen["Arrow threads"] = [pa.cpu_count(), pa.io_thread_count()]
    hidden = ("HOME", "TMPDIR")
    seen["environment"] = sorted(f"{name}={value}" for name, value in os.environ.items() if name not in hidden)
    seen["at home"], seen["files"] = os.getcwd() == os.environ["HOME"], os.listdir(".")
    status = os.stat(".")
    seen["home"] = [status.st_mode, status.st_nlink, status.st_size, status.st_uid == os.getuid()]
    seen["mask"] = os.umask(0o22)
    seen["locale"], seen["decimal"] = locale.setlocale(locale.LC_ALL), decimal.getcontext().prec
    seen["gc"] = [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 100, len(gc.garbage), len(gc.callbacks)]
    seen["threads"], seen["thread names"] = threading.active_count(), [one.name for one in threading.enumerate()]
    seen["handlers"] = [str(signal.getsignal(number)).split(" at ")[0] for number in range(1, 65)]
    actions = []
    for number in range(1, 65):
        action = ctypes.create_string_buffer(32)
        libc.syscall(13, number, None, action, ctypes.c_size_t(8))
        actions.append(action.raw.hex())
    seen["actions"] = actions
    seen["blocked"], seen["waiting"] = map(sorted, (signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.sigpending()))
    seen["timers"] = [signal.getitimer(which) for which in range(3)]
    seen["alarm"] = signal.alarm(0)
    ctypes.set_errno(0)
    seen["call to restart"] = [libc.syscall(219), ctypes.get_errno()]
    try:
        seen["children"] = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        seen["children"] = None
    seen["recursion"], seen["switch"] = sys.getrecursionlimit(), sys.getswitchinterval()
    seen["hooks"] = [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__]
    seen["traced"] = [sys.gettrace(), sys.getprofile()]
    seen["path"], seen["finders"] = sys.path, [str(type(one)) for one in sys.meta_path]
    seen["path hooks"], seen["path cache"] = len(sys.path_hooks), len(sys.path_importer_cache)
    seen["streams"] = [stream is not None and stream.line_buffering for stream in (sys.stdout, sys.stderr)]
    seen["inf"], seen["small"] = 1e308 * 10 == float("inf"), 5e-324 > 0
    libm = ctypes.CDLL("libm.so.6")
    seen["rounding"], seen["raised"] = libm.fegetround(), libm.fetestexcept(0x3D)
    seen["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
    seen["policy"] = os.sched_getscheduler(0)
    limits = [getattr(resource, name) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")]
    seen["limits"] = [resource.getrlimit(which) for which in limits if which != resource.RLIMIT_CPU]
    files = {}
    for fd in range(256):
        try:
            files[fd] = [os.fstat(fd).st_mode, os.get_inheritable(fd), os.get_blocking(fd)]
        except OSError:
            pass
    seen["descriptors"] = files
    seen["position"], seen["result"] = os.lseek(3, 0, 1), sum(os.pread(3, 1 << 16, 0))
    stack = ctypes.create_string_buffer(24)
    libc.sigaltstack(None, stack)
    seen["signal stack"] = struct.unpack("QiiQ", stack.raw)
    seen["name"] = open("/proc/self/stat").read().split()[1]
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    lines = ("Threads", "SigPnd", "ShdPnd", "SigIgn", "SigCgt", "Seccomp", "NoNewPrivs", "Umask")
    seen["status"] = {name: status[name] for name in lines}
    seen["mappings"] = [line.split()[:2] + line.split()[5:] for line in open("/proc/self/maps")]
    seen["heap"] = libc.sbrk(0)
    seen["last"] = [hasattr(sys, name) for name in ("last_value", "last_traceback", "last_type", "n")]
    seen["warnings"], seen["argv"] = len(warnings.filters), sys.argv
    seen["errno"], seen["interned"] = ctypes.get_errno(), sys.intern("spy") is sys.intern("spy")
    seen["main"] = sorted(vars(sys.modules["__main__"]))
    seen["ids"] = [os.getuid() == os.geteuid(), os.getgroups()]
    seen["hash"] = hash("spy")
    return seen
"""
"""At least 60 observations of its process, equal on every fresh seat."""
