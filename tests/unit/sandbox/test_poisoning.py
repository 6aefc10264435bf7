"""What one run does to the process that it has is invisible to the next."""

from typing import Any

import pytest

from runtime.engines.base import DatasetSource
from tests.unit.sandbox.conftest import Rig, answer

LOOK = """
import builtins, ctypes, decimal, gc, json, linecache, locale, logging, math, os, random, signal, sys, threading, time
import warnings
import graphistry, numpy as np, pandas as pd, pyarrow as pa
def task(g):
    rounding = ctypes.CDLL(None).fegetround()
    with np.errstate(): errors = np.geterr()
    return {
        'builtins': sorted(name for name in dir(builtins)), 'len': len([1, 2]), 'print': print.__module__,
        'modules': [json.dumps({'a': 1}), math.pi, pd.DataFrame({'x': [1, 2]}).sum().to_list(), len(sys.modules) > 500],
        'ours': sorted(name for name in sys.modules if 'poison' in name), 'path': sys.path, 'hooks': len(sys.meta_path),
        'environment': sorted(os.environ), 'home': os.environ['HOME'] == os.getcwd(), 'umask': os.umask(0o22),
        'locale': [locale.setlocale(locale.LC_ALL), locale.localeconv()['decimal_point'], f'{1234.5:n}'],
        'zone': [time.tzname, time.localtime(0).tm_hour], 'recursion': sys.getrecursionlimit(),
        'float': [rounding, str(0.1 + 0.2), 5e-324 * 1 > 0, decimal.getcontext().prec, errors],
        'files': sorted(os.listdir('.')), 'threads': threading.active_count(), 'gc': gc.isenabled(),
        'signals': [str(signal.getsignal(number)) for number in (2, 10, 15)], 'timer': signal.getitimer(0),
        'handlers': len(logging.getLogger().handlers), 'warnings': len(warnings.filters), 'trace': str(sys.gettrace()),
        'hook': sys.excepthook is sys.__excepthook__, 'display': pd.get_option('display.max_rows'),
        'frame': [g._edges['w'].sum(), list(g._edges.columns), g._edges.index.to_list(), g._edges.attrs],
        'graph': [g._source, g._destination, g._node, g._name, g._nodes is None, hasattr(type(g), 'poison')],
        'session': str(graphistry.server()), 'pool': [pa.cpu_count(), pa.io_thread_count()],
        'int': sys.get_int_max_str_digits(), 'lines': len(linecache.cache),
        'nice': os.getpriority(os.PRIO_PROCESS, 0), 'main': sorted(vars(sys.modules['__main__'])),
    }
"""

POISONS = {
    "builtins": """
import builtins
builtins.len = lambda _: 7
builtins.print = None
builtins.poison = 1
del builtins.open
""",
    "modules": """
import json, math, sys, types
import pandas as pd
json.dumps = lambda *_: 'poison'
math.pi = 3
pd.DataFrame.sum = None
sys.modules['poison_module'] = types.ModuleType('poison_module')
sys.path.insert(0, '.')
sys.meta_path.clear()
for name in list(sys.modules): sys.modules[name] = None
""",
    "code_of_modules": """
import json
json.dumps.__code__ = (lambda *a, **k: 'poison').__code__
json.dumps.__defaults__ = json.dumps.__kwdefaults__ = None
json.JSONEncoder.encode = None
""",
    "environment": """
import os
os.environ.clear()
os.environ.update(PYTHONPATH='/tmp', HOME='/')
os.umask(0)
""",
    "locale": """
import locale, os, time
os.environ.update(TZ='Asia/Tokyo', LC_ALL='C')
time.tzset()
locale.setlocale(locale.LC_ALL, 'C')
""",
    "floats": """
import ctypes, decimal
import numpy as np
ctypes.CDLL(None).fesetround(0x800)  # upwards
decimal.getcontext().prec = 3
np.seterr(all='raise')
""",
    "interpreter": """
import gc, linecache, logging, signal, sys, threading, warnings
sys.setrecursionlimit(60)
sys.set_int_max_str_digits(700)
sys.excepthook = None
sys.settrace(lambda *_: None)
gc.disable()
logging.getLogger().addHandler(logging.NullHandler())
warnings.filterwarnings('error')
signal.signal(15, signal.SIG_IGN)
signal.signal(10, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 100)
threading.Thread(target=threading.Event().wait, daemon=True).start()
linecache.cache['<task>'] = (1, None, ['poison'], '<task>')
""",
    "libraries": """
import os
import graphistry, pandas as pd, pyarrow as pa
pd.set_option('display.max_rows', 1)
pa.set_cpu_count(3)
pa.set_io_thread_count(3)
os.setpriority(os.PRIO_PROCESS, 0, 19)
graphistry.register(api=1, key='poison', server='poison', protocol='http')
""",
    "graph": """
def task(g):
    g._edges.loc[:, 'w'] = 0.0
    g._edges['poison'] = 1
    g._edges.index = ['x'] * len(g._edges)
    g._edges.attrs['poison'] = 1
    g._edges['s'].array[:] = 'poison'
    g._source = g._name = 'poison'
    type(g).poison = 1
    type(g).materialize_nodes = None
    return 1
""",
    "memory_of_the_frame": """
import ctypes
def task(g):
    column = g._edges['w'].to_numpy()
    ctypes.memset(column.__array_interface__['data'][0], 0, column.nbytes)
    return float(column.sum())
""",
    "files": """
import os
open('poison', 'w').write('x' * 1000)
os.makedirs('a/b/c')
os.symlink('/etc/passwd', 'link')
os.chdir('a')
""",
    "descriptors": """
import os
for fd in range(5, 200):
    try: os.dup2(0, fd)
    except OSError: pass
os.write(1, b'poison')
os.write(2, b'poison')
""",
}


@pytest.fixture(scope="module")
def before(rig: Rig, source: DatasetSource) -> Any:
    """What a run sees when nobody has done anything."""
    return answer(rig.run(source, LOOK))


@pytest.mark.parametrize("poison", POISONS)
def test_what_a_run_does_the_next_does_not_see(rig: Rig, source: DatasetSource, before: Any, poison: str) -> None:
    code = POISONS[poison]
    outcome = rig.run(source, code if "def task" in code else f"{code}\ndef task(g): return 1")
    # What it does to itself may be its own end; that it was done at all is what matters.
    assert outcome.failure is None or outcome.cause in ("TaskError", "TaskCrashed"), outcome.failure
    after = rig.run(source, LOOK)
    assert answer(after) == before
    assert after.stdout == after.stderr == ""


def test_the_poisons_are_poison(rig: Rig, source: DatasetSource, before: Any) -> None:
    """A run that does all of the harmless ones to itself sees something else: the look does look there."""
    for poison in ("environment", "locale", "floats", "interpreter", "libraries", "files"):
        seen = rig.run(source, f"{POISONS[poison]}\n{LOOK}")
        assert seen.failure is not None or answer(seen) != before, poison


def test_random_state_is_new_in_each_run_whoever_set_it(rig: Rig, source: DatasetSource) -> None:
    code = """
import random, secrets, uuid
import numpy as np
def task(g):
    drawn = [np.random.random(), np.random.randint(2**31), random.random(), str(uuid.uuid4()),
             float(np.random.default_rng().random()), hash('x') == hash('x')]
    np.random.seed(0); random.seed(0)
    return drawn
"""
    runs = [answer(rig.run(source, code)) for _ in range(5)]
    for column in range(5):
        assert len({run[column] for run in runs}) == 5
