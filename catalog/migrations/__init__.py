"""Alembic's home. New revisions: ``alembic -c catalog/migrations/alembic.ini revision -m "..."``, then write
them by hand.
"""
