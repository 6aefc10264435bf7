"""Arrow's own client of object stores, which speaks HTTP by itself, retries, and asks cloud providers for credentials.

{"outcome": ["ok", "error", "timeout"], "result": {"through": []}}
"""

import pyarrow.fs


def task(g):
    through = []
    try:
        store = pyarrow.fs.S3FileSystem(
            endpoint_override="127.0.0.1:@@LOOPBACK_PORT@@",
            scheme="http",
            anonymous=True,
            connect_timeout=0.2,
            request_timeout=0.2,
        )
        store.get_file_info("bucket/key")
        through.append("s3")
    except OSError:
        pass
    return {"through": through}
