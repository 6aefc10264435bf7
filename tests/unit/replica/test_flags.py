from importlib import import_module

import pytest

from deployments.replica import flags
from deployments.replica.front_headers import SECRET_FILE

FRONT = {"RAY_SERVE_HAPROXY_BINARY_PATH": "/somewhere", SECRET_FILE: "/somewhere/else"}
WITH_A_FORMER_VALUE = [(flag, value) for flag in flags.EVERYWHERE for value in flag.former]


@pytest.mark.parametrize("flag", [flag for flag in flags.EVERYWHERE if flag.needed], ids=lambda flag: flag.name)
def test_a_needed_flag_that_is_absent_or_different_is_named_with_its_reason(flag: flags.Flag) -> None:
    environment = {**flags.fixed_flags(), **FRONT}
    for changed in ({**environment, flag.name: "other"}, {k: v for k, v in environment.items() if k != flag.name}):
        assert flags.missing_flags(changed) == [f"{flag.name}={flag.value} ({flag.why})"]


@pytest.mark.parametrize(
    ("name", "risk"), [("RAY_SERVE_HAPROXY_BINARY_PATH", "side ports"), (SECRET_FILE, "past the front's limits")]
)
def test_without_the_front_what_stays_open_is_named(name: str, risk: str) -> None:
    (missing,) = flags.missing_flags({**flags.fixed_flags(), **{key: FRONT[key] for key in FRONT if key != name}})
    assert missing.startswith(name)
    assert risk in missing


def test_every_flag_says_why() -> None:
    assert all(flag.why for flag in (*flags.EVERYWHERE, *flags.ONE_MACHINE))


def test_no_flag_is_outdated_as_printed() -> None:
    assert flags.outdated_flags(flags.fixed_flags()) == []


def test_the_former_import_path_of_the_middleware_is_one_of_them() -> None:
    assert "deployments.middleware:front_middlewares" in [value for _, value in WITH_A_FORMER_VALUE]


@pytest.mark.parametrize(("flag", "former"), WITH_A_FORMER_VALUE)
def test_a_former_value_imports_the_same_function_as_the_new_one(flag: flags.Flag, former: str) -> None:
    assert imported(former) is imported(flag.value)


@pytest.mark.parametrize(("flag", "former"), WITH_A_FORMER_VALUE)
def test_a_former_value_is_not_missing_and_both_lines_are_named(flag: flags.Flag, former: str) -> None:
    environment = {**flags.fixed_flags(), **FRONT, flag.name: former}
    assert flags.missing_flags(environment) == []
    (sentence,) = flags.outdated_flags(environment)
    assert f"{flag.name}={former} works in this release only" in sentence
    assert f"replace it with {flag.name}={flag.value}" in sentence


def imported(path: str) -> object:
    module, name = path.split(":")
    return getattr(import_module(module), name)
