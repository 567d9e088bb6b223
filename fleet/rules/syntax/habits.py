"""Habits of other languages as a TOML parser sees them, and what to write instead."""

from __future__ import annotations

import re

_TYPOGRAPHY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb"
_WORDS = {
    **dict.fromkeys(("true", "yes", "on"), "write true"),
    **dict.fromkeys(("false", "no", "off"), "write false"),
    **dict.fromkeys(("null", "none", "nil"), "TOML has no null: leave the key out"),
}
# Words of tomli's messages → advice; the first that is in a message counts.
_REASONS = {
    "overwrite a value": "the key stands there twice: keep one of them",
    "duplicate inline table key": "the key stands there twice: keep one of them",
    "declare": "the table stands there twice: put all its keys below one header",
    "mutate immutable": "it is complete where it is written in { }: add the key there",
    "illegal character": 'a text on one line ends there with its quote; longer ones take """',
    "unescaped": "write \\\\ for a backslash, or put the text into single quotes",
    "a text that begins here is not closed": "close the text with its quote",
    "unterminated": "close the text with its quote",
    'expected "\'"': "close the text with its quote",
    "a list that begins here": "close the list with ], and part its elements by commas",
    "a table that begins here": "close the table with }, and part its keys by commas",
    "end of a table declaration": "close the header with ]",
    "end of an array declaration": "close the header with ]]",
    "after a key": "write `key = value`; a name with other than letters, digits, - and _ needs quotes",
    "newline or end of document": "one `key = value` a line, and nothing behind it but a comment",
    "above 64 bits": "no setting needs such a number: leave the key out for no limit",
    "nested too deep": "no configuration needs such a depth",
}


def what_to_do(reason: str, line: str, column: int) -> str:
    """`reason` is the parser's; it gave up at `column` of `line`, counted from 1."""
    words = (
        _odd_letter(reason, line, column)
        or _quotes(reason, line, column)
        or _colon(reason, line)
        or _json(reason, line)
    )
    known = (advice for part, advice in _REASONS.items() if part in reason)
    return words or next(known, "look at this place and a little before it: quotes, brackets, commas")


def in_words(reason: str) -> str:
    """The parser's reason, with tables as TOML writes them instead of as Python tuples."""
    return re.sub(
        r"\(((?:'[^']*',? ?)+)\)",
        lambda match: "[" + ".".join(re.findall(r"'([^']*)'", match[1])) + "]",
        reason,
    )


def _quotes(reason: str, line: str, column: int) -> str | None:
    """A bare word, or a number with a unit, where a value belongs."""
    amount = re.search(r"=\s*(\d+(?:\.\d+)?) ?([A-Za-z]+)\b", line)
    if "newline or end of document" in reason and amount:
        return f'a duration or a size needs quotes: "{amount[1]}{amount[2]}"'
    word = re.match(r"[^\s,#\]}]+", line[column - 1 :].strip())
    if "invalid value" not in reason or not word:
        return None
    text = word.group()
    if text[0] in _TYPOGRAPHY:
        plain = text.strip(_TYPOGRAPHY)
        return f'TOML has straight quotes only: "{plain}" (a text program has put others into their place)'
    return _WORDS.get(text.lower()) or f'a text needs quotes: "{text.strip(chr(34) + chr(39))}"'


def _colon(reason: str, line: str) -> str | None:
    pair = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*:\s*(.*)", line)
    if "after a key" in reason and pair:
        return f"TOML has `=` where YAML has a colon: {pair[1]} = {pair[2]}".rstrip()
    return None


def _json(reason: str, line: str) -> str | None:
    if "invalid statement" in reason and line.lstrip().startswith("{"):
        return 'this is JSON: TOML has headers, [fleet], and lines such as app = "shop.tasks"'
    return None


def _odd_letter(reason: str, line: str, column: int) -> str | None:
    """A letter or blank that only looks like a plain one, where TOML takes no other."""
    letter = line[column - 1 : column]
    if letter.isascii() or letter in _TYPOGRAPHY or not ("statement" in reason or "after a key" in reason):
        return None
    import unicodedata  # few files have one

    name = unicodedata.name(letter, f"U+{ord(letter):04X}").lower()
    return f"here is a {name}: type it anew, with plain letters and blanks"
