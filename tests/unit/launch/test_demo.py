from deployments.launch import demo


def test_the_karate_club_has_34_members_and_78_friendships() -> None:
    edges, nodes = demo.edges(), demo.nodes()
    assert (edges.num_rows, nodes.num_rows) == (78, 34)
    names = set(nodes["name"].to_pylist())
    assert len(names) == 34
    assert {*edges["source"].to_pylist(), *edges["target"].to_pylist()} == names


def test_both_sides_had_seventeen() -> None:
    assert demo.nodes()["side"].to_pylist().count("instructor") == 17


def test_no_friendship_is_listed_twice() -> None:
    pairs = zip(demo.edges()["source"].to_pylist(), demo.edges()["target"].to_pylist(), strict=True)
    assert len({frozenset(pair) for pair in pairs}) == 78


def test_the_task_survives_a_shell() -> None:
    compile(demo.TASK, "task", "exec")
    assert "'" not in demo.TASK
