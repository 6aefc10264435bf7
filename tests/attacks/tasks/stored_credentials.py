"""What a client library may have kept of somebody's log-in.

{"outcome": ["ok"], "result": {"found": []}}
"""

import os


def task(g):
    found = []
    session = getattr(g, "session", None)
    for name in ("api_token", "_username", "_password", "personal_key_secret", "api_key"):
        if getattr(session, name, None):
            found.append(name)
    for path in ("~/.graphistry", "~/.config/graphside/session.json", "/root/.config/graphside/session.json"):
        if os.path.exists(os.path.expanduser(path)) and os.access(os.path.expanduser(path), os.R_OK):
            found.append(path)
    found += [name for name in os.environ if name.startswith(("GRAPH", "RAY", "AWS", "GOOGLE", "SERVER"))]
    return {"found": found}
