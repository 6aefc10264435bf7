"""Two checkouts side by side: each round is a pair, and ratios are taken within it."""

from pathlib import Path

from bench.before import Figures
from bench.servers import OURS, Server


def test_a_ratio_is_taken_within_a_round_and_the_order_turns() -> None:
    before, now = Server(OURS, Path("before")), Server(OURS, Path("now"))
    asked: list[Path] = []

    def one(server: Server) -> dict[str, float]:
        asked.append(server.data)
        busy = 10.0 if len(asked) > 2 else 1.0  # the machine is busy in the second round
        return {"call": busy * (2.0 if server is before else 3.0)}

    found = Figures()
    found.measure((before, now), 2, one)
    assert asked == [before.data, now.data, now.data, before.data]
    assert found.pairs == {"call": [(2.0, 3.0), (20.0, 30.0)]}
    assert found.table().rows == (("call", "11.00", "16.50", "1.500", "1.500", "1.500"),)
