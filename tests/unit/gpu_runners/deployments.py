"""Read the deployments out of an application that nobody deploys."""

from typing import Any

from deployments.app import application
from deployments.settings import Settings


def deployments_of(settings: Settings) -> dict[str, Any]:
    """The deployments of the application, by name."""
    ingress = application(settings)._bound_deployment
    arguments: Any = ingress.init_args
    bound = [runner._bound_deployment for runner in arguments[1].values()]
    return {deployment.name: deployment for deployment in (ingress, *bound)}
