"""Runs that go straight from an ingress to a runner on the same machine, at a place that Serve gave them there."""
