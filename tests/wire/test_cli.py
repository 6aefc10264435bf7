"""The installed command line against the live server."""

import json
from collections.abc import Callable

import pytest

from deployments.cli.doctor.walls import LAYERS, WALLS
from tests.conftest import ADMIN, PASSWORD, SMALL_EDGES, LiveServer, Person
from tests.wire.conftest import Command

pytestmark = pytest.mark.e2e

FLAG = "flag_python_endpoint_enabled_users"


@pytest.fixture
def signed_in(graphside: Command, server: LiveServer) -> Command:
    """The command line with a session of the admin's that it remembers."""
    done = graphside("login", server.url, "--username", ADMIN, "--password-stdin", typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    return graphside


def test_a_user_added_on_the_command_line_signs_in_and_runs_python_once_the_flag_is_on(
    as_admin: Command, server: LiveServer, admin: Person
) -> None:
    added = as_admin("user", "add", "cli-user", "--email", "c@example.org", "--generate-password")
    assert added.returncode == 0, added.stderr
    password = next(line for line in added.stdout.splitlines() if line.startswith("password: "))[10:]
    assert "cli-user\tuser\tactive\tc@example.org" in as_admin("user", "list").stdout.splitlines()

    person = server.log_in("cli-user", password)
    dataset = person.upload(SMALL_EDGES)
    assert person.run(dataset, "def task(g): return 1").status_code == 403

    assert as_admin("flag", "set", FLAG, "on", "--user", "cli-user").returncode == 0
    assert f"{FLAG}\tcli-user\ton" in as_admin("flag", "list").stdout.splitlines()
    answer = person.run(dataset, "def task(g): return len(g._edges)")
    assert (answer.status_code, answer.text) == (200, "3")
    person.http.close()


def test_a_new_password_ends_the_old_one_and_its_tokens(as_admin: Command, server: LiveServer) -> None:
    as_admin("user", "add", "cli-passwd", "--password-stdin", typed="first password\n")
    person = server.log_in("cli-passwd", "first password")
    done = as_admin("user", "passwd", "cli-passwd", "--password-stdin", typed="second password\n")
    assert done.returncode == 0, done.stderr
    assert person.http.post("/api-token-verify/", json={"token": person.token}).status_code == 400
    person.http.close()
    refused = as_admin("login", server.url, "--username", "cli-passwd", "--password-stdin", typed="first password\n")
    assert (refused.returncode, refused.stderr) == (1, "graphside: Unable to log in with provided credentials.\n")
    server.log_in("cli-passwd", "second password").http.close()


def test_the_printed_token_works_for_any_client(signed_in: Command, graphside: Command, server: LiveServer) -> None:
    printed = signed_in("token")
    assert printed.returncode == 0, printed.stderr
    token = printed.stdout.strip()
    listed = graphside(
        "user", "list", "--url", server.url, GRAPHSIDE_TOKEN=token, XDG_CONFIG_HOME=str(server.data / "none")
    )
    assert listed.returncode == 0, listed.stderr
    assert ADMIN in listed.stdout


def test_log_out_ends_the_session_at_the_server(signed_in: Command, admin: Person) -> None:
    token = signed_in("token").stdout.strip()
    assert admin.http.post("/api-token-verify/", json={"token": token}).status_code == 200
    done = signed_in("logout")
    assert (done.returncode, done.stderr) == (0, "")
    assert admin.http.post("/api-token-verify/", json={"token": token}).status_code == 400
    assert signed_in("token").stderr == "graphside: sign in first: graphside login URL\n"


def test_a_personal_key_signs_in_until_it_is_revoked(as_alice: Command, graphside: Command, server: LiveServer) -> None:
    made = as_alice("key", "create", "cli-key")
    assert made.returncode == 0, made.stderr
    key_id = made.stdout.partition(":")[0]
    assert f"{key_id}\tcli-key\tactive" in as_alice("key", "list").stdout

    assert graphside("login", server.url, "--key-stdin", typed=made.stdout).returncode == 0
    assert graphside("dataset", "list").returncode == 0
    assert graphside("key", "create").stderr == "graphside: sign in with your password to make a personal key\n"

    assert as_alice("key", "revoke", key_id).returncode == 0
    assert f"{key_id}\tcli-key\trevoked" in as_alice("key", "list").stdout
    refused = graphside("login", server.url, "--key-stdin", typed=made.stdout)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


def test_a_disabled_user_is_out_until_enabled_again(
    as_admin: Command, make_user: Callable[..., Person], server: LiveServer
) -> None:
    person = make_user("cli-disabled")
    assert as_admin("user", "disable", person.username).returncode == 0
    assert f"{person.username}\tuser\tdisabled" in as_admin("user", "list").stdout
    assert person.http.post("/api-token-verify/", json={"token": person.token}).status_code == 400
    assert as_admin("user", "enable", person.username).returncode == 0
    server.log_in(person.username, person.password).http.close()
    person.http.close()


def test_an_organization_is_made_and_people_come_and_go(as_admin: Command, as_bob: Command, bob: Person) -> None:
    assert as_admin("org", "add", "cli-lab", "--name", "The lab").stdout == "added cli-lab\n"
    assert as_bob("org", "members", "cli-lab").stderr == "graphside: Not authorized to organization 'cli-lab'\n"
    assert as_admin("org", "add-member", "cli-lab", bob.username, "--role", "admin").returncode == 0
    assert as_bob("org", "list").stdout.splitlines()[1] == "cli-lab\tThe lab\tadmin"
    assert as_bob("org", "members", "cli-lab").stdout == f"{bob.username}\tadmin\n"
    assert json.loads(as_bob("org", "members", "cli-lab", "--json").stdout)[0]["username"] == bob.username
    assert as_bob("org", "remove-member", "cli-lab", bob.username).returncode == 0
    assert as_admin("org", "members", "cli-lab").stdout == ""
    assert "cli-lab" in as_admin("org", "list", "--all").stdout


def test_a_flag_can_be_set_for_a_group_staff_and_a_share(as_admin: Command, bob: Person) -> None:
    flag = "flag_python_endpoint_disabled"
    assert as_admin("group", "add", "cli-group").returncode == 0
    assert as_admin("group", "member", "add", "cli-group", bob.username).returncode == 0
    assert f"cli-group\t{bob.username}\n" in as_admin("group", "list").stdout
    scopes = {"group cli-group": ("--group", "cli-group"), "staff": ("--staff",), "0 % of users": ("--percent", "0")}
    for whom, options in scopes.items():
        assert as_admin("flag", "set", flag, "off", *options).stdout == f"{flag} is off for {whom}\n"
        assert f"{flag}\t{whom}\toff" in as_admin("flag", "list").stdout.splitlines()
        assert as_admin("flag", "set", flag, "unset", *options).returncode == 0
    assert as_admin("group", "member", "rm", "cli-group", bob.username).returncode == 0
    assert as_admin("group", "rm", "cli-group").returncode == 0
    assert "cli-group" not in as_admin("group", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("user", "add", ADMIN, "--generate-password"), f"user {ADMIN} already exists"),
        (("user", "passwd", "nobody", "--generate-password"), "there is no user 'nobody'"),
        (("user", "passwd", "..", "--generate-password"), "'..' cannot be part of a URL"),
        (("flag", "set", "nope", "on"), "there is no flag 'nope'"),
        (("flag", "set", FLAG, "on", "--user", "nobody"), "there is no user 'nobody'"),
        (("user", "add", "a b", "--generate-password"), "a username has 1 to 150 characters"),
    ],
)
def test_a_refusal_is_one_line_of_the_servers_own_words(
    as_admin: Command, arguments: tuple[str, ...], says: str
) -> None:
    done = as_admin(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"graphside: {says}")
    assert done.stderr.count("\n") == 1


def test_a_user_who_is_no_administrator_is_told_so(
    graphside: Command, make_user: Callable[..., Person], server: LiveServer
) -> None:
    person = make_user("cli-plain")
    done = graphside("user", "list", GRAPHSIDE_URL=server.url, GRAPHSIDE_TOKEN=person.token)
    assert (done.returncode, done.stderr) == (1, "graphside: only an administrator may do this\n")
    person.http.close()


def test_a_forged_token_is_told_to_sign_in(graphside: Command, server: LiveServer) -> None:
    done = graphside("flag", "list", GRAPHSIDE_URL=server.url, GRAPHSIDE_TOKEN="a.b.c")
    assert done.returncode == 1
    assert done.stderr == f"graphside: sign in first: graphside login {server.url} (the token is not valid)\n"


def test_init_leaves_the_directory_of_a_running_server_alone(graphside: Command, server: LiveServer) -> None:
    done = graphside("init", "--data", str(server.data))
    assert done.returncode == 1
    assert "another server runs on" in done.stderr


def test_doctor_knows_the_running_server(graphside: Command, server: LiveServer) -> None:
    done = graphside("doctor", "--json", "--data", str(server.data), GRAPHSIDE_PORT=str(server.port))
    assert done.returncode == 0, done.stdout
    assert "a graphside server answers there" in json.loads(done.stdout)["Ports"]["front"]["text"]


def test_doctor_names_the_walls_that_a_run_really_has(
    graphside: Command, admin: Person, server: LiveServer, small: str
) -> None:
    report = json.loads(graphside("doctor", "--json", "--data", str(server.data)).stdout)["Isolation"]
    answer = admin.run(small, _LOOK)
    assert answer.status_code == 200, answer.text
    for name, worn in answer.json().items():
        assert worn == report[(LAYERS | WALLS)[name]]["around_runs"], name


_LOOK = """
import os, resource, socket

def refused(act):
    try:
        act()
    except PermissionError:
        return True
    return False

def task(g):
    status = dict(line.rstrip().split(":", 1) for line in open("/proc/self/status"))
    return {
        "priority": os.getpriority(os.PRIO_PROCESS, 0) > 0,
        "no_new_privs": int(status["NoNewPrivs"]) == 1,
        "rlimits": resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY,
        "scratch": "scratch" in os.getcwd() and not os.listdir("."),
        "landlock": refused(lambda: open("/etc/passwd")),
        "seccomp": int(status["Seccomp"]) == 2 and refused(socket.socket),
        "namespaces": not os.path.exists("/proc/1/stat") or len(status["NSpid"].split()) > 1,
        "throwaway_users": os.getuid() > 1_000_000_000,
    }
"""
