"""A site that pages, cookies and headers are asked of."""

from collections.abc import Iterator

import pytest

from tests.unit.http.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app over a catalog of its own, with one user, alice."""
    opened = Site.open(tmp_path_factory.mktemp("site") / "data")
    opened.user("alice")
    yield opened
    opened.close()
