"""Every module with routes is served."""

from pkgutil import iter_modules

from deployments.ingress import routes
from deployments.ingress.app import MODULES


def test_every_module_of_routes_is_served() -> None:
    found = {module.name for module in iter_modules(routes.__path__) if not module.ispkg}
    assert {module.__name__.rpartition(".")[2] for module in MODULES} == found
