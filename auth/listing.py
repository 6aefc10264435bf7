"""The bound of lists that do not come in pages."""

from typing import Final

MOST_LISTED: Final = 10_000
"""The most users, groups, organizations, members, keys or settings of flags in a list: the first in its order."""
