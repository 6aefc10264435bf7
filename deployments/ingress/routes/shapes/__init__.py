"""Answers as models, for ``/openapi.json`` and for the tests that hold answers to it.

Handlers return plain dicts, which do not pass through these models.
"""
