import runpy
from pathlib import Path

import pytest

from deployments.launch.errors import LaunchError
from deployments.launch.options import SECRETS, read_options

SECRET = "0123456789abcdef0123456789abcdef"


def test_an_empty_environment_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = read_options({})
    assert (options.address, options.port, options.url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert options.data_dir == tmp_path / ".graphside"
    assert options.settings.data_dir == options.data_dir
    assert options.settings.logs_dir == options.data_dir / "logs" / "serve"
    assert options.admin_username == "admin"
    assert options.admin_password is None


@pytest.mark.parametrize(
    ("variable", "text", "setting", "value"),
    [
        ("GRAPHSIDE_SEATS", "3", "seats", 3),
        ("GRAPHSIDE_PUBLIC_URL", "https://graphs.example.com/", "public_url", "https://graphs.example.com"),
        ("GRAPHSIDE_CORS_ORIGINS", "https://a.example, https://b.example", "cors_origins", None),
        ("GRAPHSIDE_CORS_ORIGINS", '["https://a.example", "https://b.example"]', "cors_origins", None),
        ("GRAPHSIDE_REWOUND_SEATS", "2", "rewound_seats", 2),
        ("GRAPHSIDE_REWOUND_BETWEEN", "any_user", "rewound_between", "any_user"),
        ("ENABLE_PYTHON_ENDPOINT", "False", "python_endpoint", False),
        ("ENABLE_PYTHON_ENDPOINT", "true", "python_endpoint", True),
        ("ENABLE_PYTHON_ENDPOINT", "0", "python_endpoint", False),
    ],
)
def test_settings_are_read_from_the_environment(variable: str, text: str, setting: str, value: object) -> None:
    expected = ("https://a.example", "https://b.example") if setting == "cors_origins" else value
    assert getattr(read_options({variable: text}).settings, setting) == expected


def test_tables_are_read_as_json() -> None:
    assert read_options({"GRAPHSIDE_LIMITS": '{"timeout_s": 30}'}).settings.limits.timeout_s == 30


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"GRAPHSIDE_PORT": "http"}, "GRAPHSIDE_PORT=http is not a port"),
        ({"GRAPHSIDE_PORT": "0"}, "GRAPHSIDE_PORT=0 is not a port"),
        ({"GRAPHSIDE_PORT": "65536"}, "GRAPHSIDE_PORT=65536 is not a port"),
        ({"GRAPHSIDE_PORT": "٨٠٠٠"}, "is not a port"),
        ({"GRAPHSIDE_HOST": "no such host"}, "GRAPHSIDE_HOST=no such host"),
        ({"GRAPHSIDE_JWT_SECRET": SECRET[:-1]}, "at least 256 bits"),
        ({"GRAPHSIDE_JWT_SECRET": ""}, "at least 256 bits"),
        ({"GRAPHSIDE_JWT_SECRET": " " * 64}, "at least 256 bits"),
        ({"GRAPHSIDE_SEATS": "many"}, "GRAPHSIDE_SEATS: "),
        ({"GRAPHSIDE_LIMITS": '{"timeout_s": 0}'}, "GRAPHSIDE_LIMITS.TIMEOUT_S: "),
        ({"GRAPHSIDE_TRUSTED_FORWARDERS": "10.0.0.0/33"}, "GRAPHSIDE_TRUSTED_FORWARDERS: "),
        ({"ENABLE_PYTHON_ENDPOINT": "maybe"}, "ENABLE_PYTHON_ENDPOINT: "),
        ({"GRAPHSIDE_REWOUND_SEATS": "-1"}, "GRAPHSIDE_REWOUND_SEATS: "),
        ({"GRAPHSIDE_REWOUND_BETWEEN": "everybody"}, "GRAPHSIDE_REWOUND_BETWEEN: "),
        (
            {"GRAPHSIDE_ISOLATION": "strict", "GRAPHSIDE_REWOUND_BETWEEN": "any_user"},
            "rewound_between is any_user, which isolation strict does not allow; use same_user",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(environment: dict[str, str], message: str) -> None:
    with pytest.raises(LaunchError) as caught:
        read_options(environment)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_of_256_bits_is_taken_and_shown_nowhere(tmp_path: Path) -> None:
    options = read_options(
        {"GRAPHSIDE_JWT_SECRET": SECRET, "GRAPHSIDE_ADMIN_PASSWORD": "pass phrase", "GRAPHSIDE_DATA": str(tmp_path)}
    )
    assert options.settings.signing_key_file == tmp_path / "keys" / "given.key"
    assert SECRET not in repr(options)
    assert "pass phrase" not in repr(options)
    assert set(SECRETS) == {"GRAPHSIDE_JWT_SECRET", "GRAPHSIDE_ADMIN_PASSWORD"}


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(LaunchError) as caught:
        read_options({"GRAPHSIDE_JWT_SECRET": "too-short-a-secret"})
    assert "too-short" not in str(caught.value)


def test_variables_that_name_nothing_are_told_and_those_of_the_client_are_not() -> None:
    environment = {"GRAPHSIDE_SEAT": "3", "GRAPHSIDE_TOKEN": "x", "GRAPHSIDE_URL": "y", "GRAPHSIDE_DATA_DIR": "z"}
    assert read_options(environment).unknown == ("GRAPHSIDE_DATA_DIR", "GRAPHSIDE_SEAT")


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:8000"), ("::", "http://[::1]:8000"), ("::1", "http://[::1]:8000")],
)
def test_the_url_for_this_machine_is_one_that_it_can_reach(host: str, url: str) -> None:
    assert read_options({"GRAPHSIDE_HOST": host}).url == url


@pytest.mark.parametrize("argument", ["--help", "--port=9000"])
def test_arguments_do_not_start_a_server(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.launch.serve", lambda environment: pytest.fail("a server was started"))
    monkeypatch.setattr("sys.argv", ["launch", argument])
    with pytest.raises(SystemExit, match="takes no arguments; set environment variables"):
        runpy.run_module("deployments.launch", run_name="__main__")
