"""Two processes read the same out of a file exactly when their fingerprints are equal."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fleet.config.document import Document
from fleet.config.variables import expand
from fleet.fingerprint import fingerprint

FILE = Path("/srv/shop/fleet.toml")
NAMES = st.sampled_from(["A", "B_2", "c"])
VALUES = st.dictionaries(NAMES, st.sampled_from(["", "x", "y"]))
PIECES = st.one_of(
    st.sampled_from(["$$", "$", "{", "}", "x", "${A", "${A:", "$A"]),
    st.builds("${{{}}}".format, NAMES),
    st.builds("${{{}:-{}}}".format, NAMES, st.sampled_from(["", "x", "d"])),
    st.builds("${{{}:?{}}}".format, NAMES, st.just("needed")),
)
TEXTS = st.lists(PIECES, max_size=5).map("".join)


def meaning(text: str, environ: dict[str, str]) -> tuple[object, ...]:
    document = Document({"key": text})
    findings = tuple(expand(document, environ))
    return document.data["key"], findings


@given(TEXTS, VALUES, VALUES)
def test_equal_ones_are_never_of_texts_that_mean_different_things(
    text: str, here: dict[str, str], there: dict[str, str]
) -> None:
    if fingerprint(FILE, text, None, here) == fingerprint(FILE, text, None, there):
        assert meaning(text, here) == meaning(text, there)


@given(TEXTS, VALUES, st.dictionaries(st.sampled_from(["PATH", "HOME"]), st.text()))
def test_variables_that_the_file_does_not_name_do_not_matter(
    text: str, here: dict[str, str], more: dict[str, str]
) -> None:
    assert fingerprint(FILE, text, None, here) == fingerprint(FILE, text, None, {**more, **here})


def test_file_content_and_environment_matter() -> None:
    same = fingerprint(FILE, "a", None, {})
    assert same == fingerprint(FILE.parent / "x" / ".." / FILE.name, "a", None, {})
    others = [
        fingerprint(FILE.parent / "other.toml", "a", None, {}),
        fingerprint(FILE, "b", None, {}),
        fingerprint(FILE, "a", "staging", {}),
        fingerprint(FILE, "a", "None", {}),
    ]
    assert len({same, *others}) == 5
