"""Run revisions on the connection that ``catalog.engine.migrate`` opened, inside its transaction."""

from alembic import context

from catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # on SQLite too: migrate() holds the write lock from before the first statement
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
