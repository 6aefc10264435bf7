"""Alembic migrations. ``alembic -c catalog/migrations/alembic.ini revision`` makes a new one to fill in."""
