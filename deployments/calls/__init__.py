"""How an ingress reaches a runner.

- ``messages``: what they say to each other about a run.
- ``runner_client``: the way to all runners. ``runner_handle``: the way to the runners of one engine.
- ``affinity``: which replica gets a dataset's runs.
- ``direct``: runs past Serve, to runners on the same machine.
"""
