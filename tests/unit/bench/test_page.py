"""docs/benchmarks.md is made of results that are kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import page
from bench.plots import Curve, Plot
from bench.report import Measure, Report, Table
from bench.servers import ROOT

PLOT = Plot("growth-result", "Call against size", "bytes", "ms", (Curve("call", ((1e3, 2.0), (1e6, 9.0))),), "xy")
TABLE = Table(
    "cold: first call", ("edges", "ms"), (("1,000", "2.50"),), ("One note.",), [2.5],
    {"cold.over_map": Measure(0.5)}, (PLOT,), "cold",
)  # fmt: skip


def keep(folder: Path, started: str, mode: str, table: Table = TABLE) -> None:
    report = Report("python -m bench cold", mode, started=started, load_before=1.0, tables=[table])
    own = folder / started
    _, data = report.write(own)
    data.rename(folder / f"{started}-{table.section}.json")


def test_a_table_survives_being_kept(tmp_path: Path) -> None:
    keep(tmp_path, "2026-01-01", "short")
    (table,) = page.kept_sections(tmp_path)["cold"].tables
    assert table == replace(TABLE, data=None)


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        ([("2026-01-01", "short"), ("2026-01-02", "short")], "2026-01-02"),
        ([("2026-01-01", "long"), ("2026-01-02", "short")], "2026-01-01"),
        ([("2026-01-01", "long"), ("2026-01-02", "long"), ("2026-01-03", "short")], "2026-01-02"),
    ],
)
def test_the_newest_long_run_counts_else_the_newest(tmp_path: Path, runs: list[tuple[str, str]], shown: str) -> None:
    for started, mode in runs:
        keep(tmp_path, started, mode)
    assert page.kept_sections(tmp_path)["cold"].run["started"] == shown


def test_sections_come_from_different_runs_in_their_own_order(tmp_path: Path) -> None:
    keep(tmp_path, "2026-01-01", "short", replace(TABLE, section="cold"))
    keep(tmp_path, "2026-01-02", "short", replace(TABLE, section="warm", measures={}))
    assert list(page.kept_sections(tmp_path)) == ["warm", "cold"]


def test_a_section_that_is_no_more_is_left_out(tmp_path: Path) -> None:
    keep(tmp_path, "2026-01-01", "short", replace(TABLE, section="forgotten"))
    assert page.kept_sections(tmp_path) == {}


def test_the_page_has_targets_tables_origins_and_pictures(tmp_path: Path) -> None:
    keep(tmp_path, "2026-01-01", "long")
    text = page.markdown(page.kept_sections(tmp_path), "pictures")
    assert "(map + build the frame) plus one fork | at most 1x | 0.5x | met |" in text
    assert "not measured" in text
    assert "A call on a dataset of 4 GB" not in text, "no sentence without its number"
    assert "| 1,000 | 2.50 |" in text
    assert "`python -m bench cold` (long), 2026-01-01." in text
    assert "![Call against size](pictures/growth-result.svg)" in text


def test_the_same_results_make_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws the pictures of the page")
    results, files = tmp_path / "results", []
    results.mkdir()
    keep(results, "2026-01-01", "short")
    for name in ("one", "other"):
        docs = tmp_path / name
        (docs / "benchmarks").mkdir(parents=True)
        (docs / "benchmarks" / "of-a-plot-that-is-no-more.svg").touch()
        assert page.main(["--results", str(results), "--docs", str(docs)]) == 0
        files.append({path.relative_to(docs): path.read_bytes() for path in docs.rglob("*") if path.is_file()})
    assert files[0] == files[1]
    assert {str(path) for path in files[0]} == {"benchmarks.md", "benchmarks/growth-result.svg"}


def test_without_results_it_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--results", str(tmp_path), "--docs", str(tmp_path)]) == 1
    assert "run python -m bench --keep first" in capsys.readouterr().err


def test_docs_have_the_page_that_the_kept_results_make() -> None:
    kept = page.kept_sections(page.KEPT)
    docs = ROOT / "docs"
    assert (docs / "benchmarks.md").read_text() == page.markdown(kept, "benchmarks")
    plots = {f"{plot.name}.svg" for one in kept.values() for table in one.tables for plot in table.plots}
    assert {path.name for path in (docs / "benchmarks").iterdir()} == plots
