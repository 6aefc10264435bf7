"""Users whose passwords take as long as a test wants."""

import threading

from auth.passwords import Passwords
from auth.users import Claim, Users
from tests.unit.http.site import Site
from tests.waiting import WITHIN_S


class SlowUsers(Users):
    """Their passwords take until the test says so. ``checked``: the names, in order."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.services.catalog, Passwords(time_cost=1, memory_cost_kib=8))
        self.go_on = threading.Event()
        self.checked: list[str] = []

    def check(self, claim: Claim, password: str) -> Claim:
        self.checked.append(claim.username)
        assert self.go_on.wait(WITHIN_S)
        return super().check(claim, password)
