"""Which replica owns a dataset."""

from collections import Counter

from deployments.calls.affinity import owner_order


def test_every_router_sees_the_same_order() -> None:
    assert owner_order("dataset", ("a", "b", "c")) == owner_order("dataset", ("c", "a", "b"))


def test_datasets_spread_over_replicas() -> None:
    owners = Counter(owner_order(f"dataset-{number}", ("a", "b", "c", "d"))[0] for number in range(4000))
    assert min(owners.values()) > 850


def test_only_the_keys_of_a_lost_replica_move() -> None:
    names = [f"dataset-{number}" for number in range(500)]
    before = {name: owner_order(name, ("a", "b", "c"))[0] for name in names}
    after = {name: owner_order(name, ("a", "b"))[0] for name in names}
    assert all(after[name] == owner for name, owner in before.items() if owner != "c")
