"""Runs past Serve: over a socket, to runners on the ingress's machine, in slots that Serve gave.

- ``client``: the ingress's side. ``slot``: room for one run at one replica. ``line``: the connection to one replica.
- ``server``: the runner's side.
- ``frames``: the bytes on the socket. ``peers``: the user at the socket's other end.
"""
