"""The former import path of ``front_middlewares``, which an older ``graphside.env`` may still name.

A replica that starts with it warns (``flag.outdated``) and names the line to write instead. The next release drops
this file, together with ``Flag.former`` in ``deployments/replica/flags.py``.
"""

from deployments.ingress.middleware.serve_controls import front_middlewares

__all__ = ["front_middlewares"]
