"""Pages: who sees what, and that nothing in them is taken for markup."""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from auth import csrf
from deployments.ingress import app
from deployments.ingress.web.pages import safe_next, with_code
from deployments.ingress.web.reference import groups_of, type_of
from deployments.ingress.web.snippets import Server, curl, pygraphistry
from runtime.datasets.records import DatasetRecord
from tests.unit.http.site import PAGE, PASSWORD, Site

ODD = '<script>alert(1)</script> & "it\'s" {{ 7 * 7 }}'
VIEWER = "/graph/graph.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    opened = Site.open(tmp_path_factory.mktemp("site") / "data")
    opened.user("alice")
    opened.user("bob")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def dataset(site: Site) -> DatasetRecord:
    return site.dataset(site.services.users.get("alice"), f"wires {ODD}", f"described {ODD}", column=f"column {ODD}")


def code_blocks(page: str) -> list[str]:
    return [unescape(text) for text in re.findall(r"<pre[^>]*><code[^>]*>(.*?)</code></pre>", page, re.DOTALL)]


@pytest.mark.parametrize("path", ["/", "/login", "/docs", VIEWER])
def test_pages_have_no_script_no_inline_style_and_nothing_from_elsewhere(site: Site, path: str) -> None:
    for browser in (site.browser(), site.signed_in("alice")):
        page = browser.get(path, follow_redirects=True).text
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page)
        assert not re.search(r"(?:src|href|action)=\"(?!/|#)", page)


def test_every_field_of_the_sign_in_form_has_a_label(site: Site) -> None:
    page = site.browser().get("/login").text
    fields = re.findall(r'<input id="(\w+)"', page)
    assert fields == ["username", "password"]
    assert all(f'<label for="{name}">' in page for name in fields)
    assert 'lang="en"' in page
    assert 'role="alert"' not in page


def test_a_refused_form_says_so_and_keeps_the_name(site: Site) -> None:
    form = {"username": ODD, "password": "wrong-password", "next": "/docs"}
    answer = site.browser().post("/login", data=form, headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert 'role="alert"' in answer.text
    assert "wrong username or password" in answer.text
    assert "wrong-password" not in answer.text
    assert "<script>" not in answer.text
    assert unescape(re.findall(r'name="username" value="(.*?)"', answer.text)[0]) == ODD
    assert 'name="next" value="/docs"' in answer.text


def test_a_form_from_a_foreign_page_gets_a_page_that_says_so(site: Site) -> None:
    form = {"username": "alice", "password": PASSWORD}
    answer = site.browser().post("/login", data=form, headers={**PAGE, "origin": "http://evil.example"})
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text


NEXT = [
    ("/graph/graph.html?dataset=1&a=b", "/graph/graph.html?dataset=1&a=b"),
    ("/docs#x", "/docs#x"),
    ("/ü", "/%C3%BC"),
    (None, "/"),
    ("", "/"),
    ("docs", "/"),
    ("https://evil.example/", "/"),
    ("//evil.example/", "/"),
    ("///evil.example/", "/"),
    ("/\\evil.example/", "/"),
    ("\\\\evil.example/", "/"),
    ("/\t/evil.example/", "/"),
    ("/\n/evil.example/", "/"),
    (" //evil.example/", "/"),
    ("/a\r\nSet-Cookie: x=y", "/"),
    ("javascript:alert(1)", "/"),
    ("/" + "a" * 3000, "/"),
]


@pytest.mark.parametrize(("asked", "followed"), NEXT)
def test_signing_in_goes_on_to_our_own_pages_only(site: Site, asked: str | None, followed: str) -> None:
    assert safe_next(asked) == followed
    form = {"username": "alice", "password": PASSWORD, **({"next": asked} if asked is not None else {})}
    answer = site.browser().post("/login", data=form, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, followed)


def test_a_signed_in_user_is_redirected_at_once(site: Site) -> None:
    answer = site.signed_in("alice").get("/login", params={"next": "/docs"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")


def test_the_sign_out_button_carries_a_token_that_counts(site: Site) -> None:
    browser = site.signed_in("alice")
    page = browser.get("/").text
    form = re.findall(r'<form method="post" action="/logout">.*?value="(\w{64})"', page, re.DOTALL)
    assert csrf.matches(form[0], browser.cookies["csrftoken"])
    answer = browser.post("/logout", data={"csrfmiddlewaretoken": form[0]}, headers=PAGE)
    assert answer.status_code == 303
    refused = site.signed_in("alice").post("/logout", headers=PAGE)
    assert refused.status_code == 403
    assert 'role="alert"' in refused.text


def test_the_viewer_names_the_dataset_to_users_who_may_read_it(site: Site, dataset: DatasetRecord) -> None:
    query = {"dataset": dataset.id, "type": "arrow", "viztoken": "x", "splashAfter": "1", "info": "true"}
    answer = site.signed_in("alice").get(VIEWER, params=query)
    assert answer.status_code == 200
    assert f"<title>wires {ODD} · graphside</title>" in unescape(answer.text)
    assert "<script>" not in answer.text
    assert "1,234" in answer.text
    python, shell = code_blocks(answer.text)
    assert dataset.id in python and "alice" in python and "site.example" in python
    assert f"http://site.example/api/v2/datasets/{dataset.id}/python" in shell


def test_a_bearer_token_reads_the_viewer_too(site: Site, dataset: DatasetRecord) -> None:
    token = site.signed_in("alice").cookies["graphistry_jwt"]
    answer = site.browser().get(VIEWER, params={"dataset": dataset.id}, headers={"authorization": f"Bearer {token}"})
    assert "wires" in answer.text


def test_to_strangers_all_datasets_look_alike(site: Site, dataset: DatasetRecord) -> None:
    browser = site.browser()
    browser.get("/login")  # so that the pages differ in nothing but the query
    pages = {}
    for dataset_id in (dataset.id, "0" * 32, "x" * 32):
        answer = browser.get(VIEWER, params={"dataset": dataset_id})
        assert answer.status_code == 200
        pages[dataset_id] = answer.text.replace(dataset_id, "ID")
    assert len(set(pages.values())) == 1
    page = pages[dataset.id]
    assert "wires" not in page
    assert '"/login?next=%2Fgraph%2Fgraph.html%3Fdataset%3DID"' in page


def test_to_other_users_a_dataset_looks_absent(site: Site, dataset: DatasetRecord) -> None:
    browser = site.signed_in("bob")
    answers = [browser.get(VIEWER, params={"dataset": item}) for item in (dataset.id, "0" * 32, "no id", "")]
    assert {answer.status_code for answer in answers} == {404}
    masked = {re.sub(r'value="\w{64}"', "", answer.text) for answer in answers}
    assert len(masked) == 1
    assert "wires" not in masked.pop()


def test_a_framed_viewer_has_no_button_and_leaves_by_new_tabs(site: Site, dataset: DatasetRecord) -> None:
    framed = {"sec-fetch-dest": "iframe"}
    for browser in (site.browser(), site.signed_in("alice")):
        page = browser.get(VIEWER, params={"dataset": dataset.id}, headers=framed).text
        assert "<form" not in page
        links = re.findall(r"<a [^>]*>", page)
        assert all('target="_blank" rel="noopener"' in link for link in links if 'href="#main"' not in link)


def test_the_snippets_are_valid_python_and_shell_for_any_text() -> None:
    server = Server("https", 'a"b;$(x)')
    code = pygraphistry(server, "0" * 32, 'o\'neil "x"')
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.keyword)]
    values = {call.arg: call.value.value for call in calls if isinstance(call.value, ast.Constant)}
    assert (values["server"], values["username"]) == ('a"b;$(x)', 'o\'neil "x"')
    words = shlex.split(curl(server, "0" * 32, "o'neil").split("\n\n")[1].replace("\\\n", " "))
    assert words[2] == f'https://a"b;$(x)/api/v2/datasets/{"0" * 32}/python'


def test_the_reference_shows_every_operation_of_the_document(site: Site) -> None:
    browser = site.browser()
    document = browser.get("/openapi.json").json()
    page = unescape(browser.get("/docs").text)
    shown = {(item.method, item.path) for group in groups_of(document) for item in group.operations}
    assert ("POST", "/api/v2/datasets/{dataset_id}/python") in shown
    assert all(f"<code>{path}</code>" in page for _, path in shown)
    anchors = re.findall(r'<article[^>]* id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors)) == len(shown)
    assert set(re.findall(r'href="#([^"]+)"', page)) == {*anchors, "main", "credentials"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("a ``b <c>`` and `d`.", "a <code>b &lt;c&gt;</code> and <code>d</code>."),
        ("<b> & `open", "&lt;b&gt; &amp; `open"),
        ("", ""),
    ],
)
def test_descriptions_show_code_and_nothing_else_as_markup(text: str, html: str) -> None:
    assert with_code(text) == html


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "any"),
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date-time"}, "string (date-time)"),
        ({"enum": ["pandas", "cudf"]}, '"pandas" or "cudf"'),
        ({"const": 1}, "1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"$ref": "#/components/schemas/Named"}, "boolean"),
        ({"$ref": "#/components/schemas/Missing"}, "any"),
        ({"$ref": "#/components/schemas/Endless"}, "list of list of list of list of list of …"),
    ],
)
def test_a_schema_is_described_in_words(schema: dict[str, object], words: str) -> None:
    endless = {"type": "array", "items": {"$ref": "#/components/schemas/Endless"}}
    document = {"components": {"schemas": {"Named": {"type": "boolean"}, "Endless": endless}}}
    assert type_of(document, schema) == words


def test_the_reference_is_rendered_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a tenth of a second of the event loop, and anybody may ask for it."""
    rendered: list[str] = []

    def reference_of(document: dict[str, Any]) -> bytes:
        rendered.append(document["info"]["title"])
        return b"<p>ref"

    monkeypatch.setattr(app, "reference_of", reference_of)
    browser = site.browser()
    pages = [browser.get("/docs").text for _ in range(2)]
    assert rendered == ["graphside"]
    assert all("<p>ref" in page and "API reference" in page for page in pages)


def test_the_viewer_shows_some_columns_and_bindings_and_says_how_many_more_there_are(site: Site) -> None:
    columns = {f"column{number}": "str" for number in range(1000)} | {"c" * 5000: "t" * 5000}
    owner = site.services.users.get("alice")
    table = replace(next(iter(site.dataset(owner, "wide").tables.values())), id="9" * 32)
    table = replace(table, dtypes={**dict(list(columns.items())[-1:]), **columns}, column_count=len(columns))
    payload = {"edge_encodings": {"bindings": {**{f"name{number}": "c" * 500 for number in range(100)}}},
               "node_encodings": {"bindings": {f"more{number}": number for number in range(10_000)}}}  # fmt: skip
    wide = site.services.datasets.create(owner.user_id, "", "", payload, {"edges": table})
    page = site.signed_in("alice").get(VIEWER, params={"dataset": wide.id}).text
    assert len(page) < 200_000
    assert "and 801 more" in page
    assert "and 9900 more" in page
    assert "<code>column198</code>" in page and "column199" not in page
    assert "<code>" + "c" * 200 + "…</code>" in page
