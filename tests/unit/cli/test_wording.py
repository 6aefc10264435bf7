"""Advice of the server in the words of a command."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from deployments.cli.run_call import FLAGS
from deployments.cli.wording import in_words_of_command
from runtime.datasets import formats
from runtime.datasets.file_types import FILE_TYPES

OF_PARSER = {"file_type": "--type"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "send the option sep=';' (or the option sep=',' for one)",
            "send --option sep=';' (or --option sep=',' for one)",
        ),
        ("leave the option lines=true out", "leave --option lines=true out"),
        ("(or the option orient=columnar, if 'a' is one)", "(or --option orient=columnar, if 'a' is one)"),
        ("name the option 'encoding'", "name --option encoding"),
        ("option 'nrows' must be a whole number", "--option nrows must be a whole number"),
        ("declare file_type 'json'", "declare --type 'json'"),
        ("declare file_compression 'gzip'", "declare a name that ends in .gz"),
        ("column 'option' has 1=2", "column 'option' has 1=2"),
    ],
)
def test_advice_on_a_file_names_the_flags_of_dataset_put(said: str, told: str) -> None:
    assert in_words_of_command(said, OF_PARSER, "--option") == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ask for output_type 'all', 'nodes' or 'edges'", "ask for --output-type 'all', 'nodes' or 'edges'"),
        ("memory_bytes must be at most 1", "--memory must be at most 1"),
        ("the engine is cold; a value has no format", "the engine is cold; a value has no format"),
    ],
)
def test_advice_on_a_run_names_the_flags_of_run(said: str, told: str) -> None:
    assert in_words_of_command(said, FLAGS) == told


def test_readers_write_every_option_so_that_commands_know_it() -> None:
    modules = [import_module(f"{formats.__name__}.{kind.reader.partition('.')[0]}") for kind in FILE_TYPES]
    options = "|".join({option for module in modules for option in getattr(module, "KNOWN", ())})
    bare = re.compile(rf"(?<!option )\b({options})=[\w'{{]")
    found = []
    for path in Path(formats.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        raised = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None)
        found += [ast.unparse(error) for error in raised if bare.search(ast.unparse(error).partition("(")[2])]
    assert [text for text in found if "InvalidTable(f" in text or "InvalidTable('" in text] == []
