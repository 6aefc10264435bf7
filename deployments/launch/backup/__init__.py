"""Backup and restore of a whole server, in one file."""

from deployments.launch.backup.transfer import Summary, back_up, restore

__all__ = ["Summary", "back_up", "restore"]
