"""Alembic's home. ``alembic -c catalog/migrations/alembic.ini revision`` makes a new revision to fill in."""
