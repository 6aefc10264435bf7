"""The requests, a family a module. Each has a function ``ask``, which is given the way to a server, and the cast."""
