"""Tables as markdown."""

from bench.report import Table


def test_columns_of_numbers_stand_to_the_right() -> None:
    rows = (("small", "1,000", "", "-1.5", "1x"), ("large", "2.50", "3", "7", "2"))
    lines = Table("title", ("name", "a", "b", "c", "d"), rows).to_markdown().splitlines()
    assert lines[3] == "| --- | ---: | ---: | ---: | --- |"


def test_a_table_without_rows_has_its_notes() -> None:
    text = Table("title", ("a", "b"), (), ("Left out.",)).to_markdown()
    assert "| a | b |" in text
    assert text.endswith("\n\nLeft out.")
