"""What a server takes of its machine: a data directory's lock, ports, processes."""
