"""What can be checked of how fleet's modules speak for themselves, and of how much a function asks of its caller."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support import ROOT

FILES = sorted((ROOT / "fleet").rglob("*.py"))
MOST_PARAMETERS = 5

# A first sentence that begins like this has its subject somewhere else, or none.
PRONOUNS = re.compile(
    r"(It|They|This|That|These|Those|Its|Their|Who|Whoever|What|Whatever|How|When|Where|Which|Why)\b"
)

# A docstring that begins like this speaks of something that stands elsewhere.
LEANING = re.compile(
    r"(It|They|Them|Those|These|Its|Their|This|That|Both|Others|(One|Some|Each|None) of them|"
    r"(Of|By|In|To|With|For) (it|them))\b(?! functions\b)"
)

# Functions that have more parameters, as file:function, and why.
MANY_PARAMETERS = {
    **dict.fromkeys(
        ("tasks/task.py:task", "tasks/task.py:options"), "what a user may say of a task and of a message"
    ),
    "rules/registry.py:rule": "what a check says of itself, as a command's options do",
    **dict.fromkeys(
        (
            "rules/syntax/keys.py:foreign_key",
            "rules/syntax/toml_text.py:newer_toml",
            "rules/syntax/values.py:invalid_value",
            "rules/syntax/values.py:bad_unit",
        ),
        "the words of a finding, each in its place",
    ),
}


def name(file: object) -> str:
    return str(file).removeprefix(f"{ROOT}/fleet/")


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_module_says_its_job_in_a_first_sentence_with_its_subject(file) -> None:  # type: ignore[no-untyped-def]
    tree = ast.parse(file.read_text())
    said = ast.get_docstring(tree)
    if not tree.body and file.name == "__init__.py":
        return  # a folder that is only one
    assert said, "a module without a docstring: what is its one job?"
    first = said.split("\n\n")[0]
    assert not PRONOUNS.match(first), f"of what is this said? {first}"
    assert first.rstrip()[-1] in ".?:", f"not a sentence: {first}"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_docstring_names_what_it_speaks_of(file) -> None:  # type: ignore[no-untyped-def]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said = ast.get_docstring(node) or ""
            assert not LEANING.match(said), f"of what is this said? {node.name}: {said}"


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    told = node.args
    names = [each.arg for each in (*told.posonlyargs, *told.args, *told.kwonlyargs)]
    return [each for each in names if each not in ("self", "cls")]


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Its options make its parameters."""
    return any("command" in ast.unparse(each) for each in node.decorator_list)


def crowded() -> Iterator[str]:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_command(node):
                continue
            if len(parameters(node)) > MOST_PARAMETERS:
                yield f"{name(file)}:{node.name}"


def test_only_commands_have_more_than_five_parameters() -> None:
    assert set(crowded()) == MANY_PARAMETERS.keys()
