"""``dataset share``."""

import json

import pytest

from tests.unit.cli.conftest import Cli, SmallServer, complaint

LINK = "/api/v2/share/link/"


def answer(mode: str, **data: object) -> dict[str, object]:
    return {"status": "OK", "message": "", "data": {"obj_pk": "0123", "mode": mode, "invited_users": [], **data}}


def test_it_sends_the_whole_share(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", LINK, body=answer("organization"))
    result = cli(
        *("dataset", "share", "0123", "--mode", "organization", "--members-may", "edit", "--message", "look"),
        *("--invite", "ann@example.org", "--invite", "bob@example.org:share"),
    )
    assert result.exit_code == 0, result.output
    assert signed_in.calls[0].body == {
        "obj_pk": "0123",
        "obj_type": "dataset",
        "mode": "organization",
        "notify": False,
        "invited_users": [
            {"email": "ann@example.org", "action": "10"},
            {"email": "bob@example.org", "action": "30"},
        ],
        "mode_action": "20",
        "message": "look",
    }


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (answer("private"), ["its owner\teverything"]),
        (
            answer("organization", organization="lab", mode_action="20"),
            ["its owner\teverything", "organization lab\tedit"],
        ),
        (
            answer("public", mode_action="20", invited_users=[{"email": "a\x1b[2J", "action": "30"}]),
            ["its owner\teverything", "everybody who has the id\tview", "a [2J\tshare"],
        ),
    ],
)
def test_it_shows_who_may_do_what(cli: Cli, signed_in: SmallServer, data: dict[str, object], rows: list[str]) -> None:
    signed_in.on("GET", f"{LINK}0123/", body=data)
    assert cli("dataset", "share", "0123").stdout.splitlines() == rows
    assert json.loads(cli("dataset", "share", "0123", "--json").stdout) == data["data"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--invite", "a@b"), "give --mode too"),
        (("--mode", "private", "--invite", "a@b:all"), "--invite a@b:all is not one of WHO, WHO:view"),
        (("--mode", "private", "--invite", ":view"), "--invite :view is not one of WHO"),
        (("--mode", "private", "--invite", ""), "is not one of WHO"),
        (("--mode", "open"), "'open' is not one of"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(
    cli: Cli, signed_in: SmallServer, options: tuple[str, ...], says: str
) -> None:
    assert says in complaint(cli("dataset", "share", "0123", *options))
    assert signed_in.calls == []


def test_the_servers_no_is_shown(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", LINK, 404, {"status": "Failed", "error": "dataset 0123 not found"})
    assert complaint(cli("dataset", "share", "0123", "--mode", "public")) == "dataset 0123 not found"
