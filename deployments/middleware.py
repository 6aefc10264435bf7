"""The old place of ``front_middlewares``: a ``graphside.env`` that was written before 0.2 names it.

Its replicas warn of the line (``flag.missing RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=…``). This file goes in the
release after.
"""

from deployments.ingress.middleware.serve_controls import front_middlewares

__all__ = ["front_middlewares"]
