"""What ``graphside doctor`` tells of the names of users: pairs that look alike."""

from contextlib import closing
from typing import Final

import sqlalchemy as sa

from auth.folds import alike
from catalog.engine import open_catalog
from catalog.errors import CatalogError
from catalog.tables import organizations, users
from deployments.cli.doctor.findings import Finding
from deployments.cli.terminal import printable
from deployments.launch.options import Options

_SHOWN: Final = 20


def examine(options: Options) -> tuple[Finding, ...]:
    """Find names that share a fold: they are from before the server refused the second one."""
    try:
        with closing(open_catalog(options.settings.catalog_url)) as catalog, catalog.read() as connection:
            names = connection.execute(sa.union_all(sa.select(users.c.username), sa.select(organizations.c.slug)))
            groups = alike(names.scalars())
    except (CatalogError, OSError, ValueError) as error:
        return (Finding("look-alikes", "absent", f"not examined: {getattr(error, 'message', 'no catalog')}"),)
    if not groups:
        return (Finding("look-alikes", "ok", "no two names look alike"),)
    told = "; ".join(" and ".join(map(printable, group)) for group in groups[:_SHOWN])
    more = f"; and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    return (
        Finding(
            "look-alikes",
            "warning",
            f"{told}{more}: these users sign in as before, but people may take one for the other",
            {"names": [list(group) for group in groups]},
        ),
    )
