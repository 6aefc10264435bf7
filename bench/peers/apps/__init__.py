"""Programs that run in the peers' own environments. They import the peers' libraries and the standard library only."""
