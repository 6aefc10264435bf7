"""The graph's own way home: the client library inside the task tries the server and the world.

{"outcome": ["ok"], "result": {"through": []}}
"""

import graphistry


def task(g):
    through = []
    tries = {
        "register": lambda: graphistry.register(
            api=3, protocol="http", server="127.0.0.1:@@LOOPBACK_PORT@@", username="a", password="b"
        ),
        "token": lambda: graphistry.register(
            api=3, protocol="http", server="127.0.0.1:@@LOOPBACK_PORT@@", token="x.y.z"
        ),
        "upload": lambda: g.upload(),
        "plot": lambda: g.plot(render="url"),
        "from_id": lambda: graphistry.from_dataset_id("0" * 32),
        "remote": lambda: g.python_remote_json("def task(g): return 1"),
    }
    for name, act in tries.items():
        try:
            act()
            through.append(name)
        except Exception:
            continue
    return {"through": through}
