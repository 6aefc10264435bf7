"""What handlers answer, as models: for ``/openapi.json`` and the tests that hold answers to it.

Handlers answer plain dicts: no answer passes through these on its way.
"""
