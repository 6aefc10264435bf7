"""A run in the ingress: ``quota`` admits it, and ``request`` turns the HTTP request into a call of a runner.

``sending`` sends it. ``recording`` writes the receipt, and ``response`` turns the runner's reply into the HTTP
response, whose errors have their text from ``error_text``.
"""
