"""The rules of names and docstrings that a program can check."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

PARTICIPLES = frozenset(
    """above again around asked away begun beside called drawn driven fallen felt found given gone grown had heard held
    here hidden kept known laid led left lent lost made meant met outside own plain put read_as said seen sent shown
    silly sold some sought split_up spoken spelt spoilt strange stuck such surely swept taken taught there told together
    torn under understood unless whole within without won worn wound written""".split()
)
"""Words that name no function: participles that do not end in -ed, adverbs and prepositions."""

SMALL_WORDS = frozenset("a an the at by for from in into of off on one out over to up with".split())
"""Articles, prepositions and pronouns: a participle before one of them has no noun."""

VERBS_IN_ED = frozenset({"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed"})
NOUNS_IN_LY = frozenset({"apply", "multiply", "reply", "supply"})

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """The modules of the package by their paths."""
    files = sorted((ROOT / "vo_server").rglob("*.py"))
    return tuple((str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))) for file in files)


def definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield the functions, methods and classes of a module with their qualified names; inner functions are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node


def is_property(node: Definition) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def is_override(node: Definition) -> bool:
    return any(ast.unparse(decorator) == "override" for decorator in node.decorator_list)


def is_participle(word: str) -> bool:
    """Tell whether a word is a participle, an adverb or a preposition."""
    if word in PARTICIPLES:
        return True
    if word.endswith("ed"):
        return word not in VERBS_IN_ED
    return word.endswith("ly") and word not in NOUNS_IN_LY


def lacks_a_verb_and_a_noun(name: str) -> bool:
    """Tell whether a function is named by a participle without a noun: `told`, `_looked_at`, `told_at_the_signal`.

    A participle before a noun says what the function returns: `unsupported_functions`.
    """
    first, *others = name.strip("_").lower().split("_")
    return is_participle(first) and (not others or others[0] in SMALL_WORDS or all(map(is_participle, others)))


def test_functions_are_not_named_by_participles() -> None:
    found = [
        f"{path}: {name}"
        for path, tree in modules()
        for name, node in definitions(tree)
        if not isinstance(node, ast.ClassDef) and not is_property(node) and lacks_a_verb_and_a_noun(node.name)
    ]
    assert found == []


def test_class_names_are_defined_once() -> None:
    places = defaultdict(list)
    for path, tree in modules():
        for name, node in definitions(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(f"{path}: {name}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_public_definitions_have_docstrings() -> None:
    missing = [
        f"{path}: {name}"
        for path, tree in modules()
        for name, node in definitions(tree)
        if not any(part.startswith("_") for part in name.split("."))
        and not is_override(node)
        and not ast.get_docstring(node)
    ]
    assert missing == []


def test_docstrings_of_functions_open_with_a_verb() -> None:
    """No article, pronoun, preposition or question opens them."""
    opening = re.compile(
        r"(The|A|An|What|Who|Whether|Which|Where|When|How|Is|Are|Does|Has|Its|Their|Of|As|In|On|With|All|Some|Any)\b"
    )
    found = [
        f"{path}: {name}: {text.splitlines()[0]}"
        for path, tree in modules()
        for name, node in definitions(tree)
        if not isinstance(node, ast.ClassDef)
        and not is_property(node)
        and (text := ast.get_docstring(node))
        and opening.match(text)
    ]
    assert found == []


def test_constants_say_what_they_are() -> None:
    bare = {
        "MOST",
        "FEW",
        "LARGEST",
        "LOOK",
        "BREATH",
        "SOON",
        "ENOUGH",
        "WORTH",
        "WASTE",
        "LITTER",
        "NEARBY",
        "PATIENCE",
    }
    found = [
        f"{path}: {target.id}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.lstrip("_") in bare
    ]
    assert found == []


def test_modules_have_docstrings() -> None:
    assert [path for path, tree in modules() if not ast.get_docstring(tree)] == []


def test_no_module_is_longer_than_600_lines() -> None:
    lengths = {path: len(Path(ROOT / path).read_text(encoding="utf-8").splitlines()) for path, _ in modules()}
    assert {path: length for path, length in lengths.items() if length > 600} == {}
