"""What one run over a file reports: everything, once, in place, and nothing that only follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.load import Loaded, Unreadable, check, find_file, load, load_source
from fleet.config.source import from_bytes, read_source
from tests.unit.rules.fixtures import a_machine

GOOD = """\
[fleet]
app = "shop.tasks"

[queues.http]
workload = "io"

[[routes]]
task = "*"
queue = "http"

[workers.http]
queues = ["http"]
pool = "gevent"
concurrency = 200
"""


def of(text: str, *, env: str | None = None, environ: dict[str, str] | None = None) -> Loaded:
    source = from_bytes(text.encode(), Path("/srv/shop/fleet.toml"))
    return load_source(source, env=env, environ=environ or {}, machine=a_machine())


def codes(loaded: Loaded) -> list[str]:
    return [each.code for each in loaded.diagnostics]


def lines(loaded: Loaded) -> list[tuple[str, int]]:
    return [(each.code, each.span.line) for each in loaded.diagnostics]


def test_the_smallest_useful_file_is_clean() -> None:
    loaded = of(GOOD)
    assert loaded.ok
    assert loaded.diagnostics == ()
    assert loaded.fleet is not None
    assert loaded.fleet.name == "shop"
    assert loaded.fleet.folder == Path("/srv/shop")


def test_four_mistakes_give_exactly_four_findings() -> None:
    text = (
        GOOD.replace("[fleet]\napp", "[fleet]\nap")
        .replace('pool = "gevent"', 'pool = "gevnt"')
        .replace("concurrency", "concurency")
        .replace('queues = ["http"]', 'queues = ["htpp"]')
    )
    loaded = of(text)
    assert lines(loaded) == [("FLT003", 2), ("FLT101", 12), ("FLT006", 13), ("FLT003", 14)]
    assert not loaded.ok


def test_what_can_not_be_guessed_keeps_the_rules_quiet_about_it() -> None:
    """Without its concurrency the pool would run at the default: but that is not what the file says."""
    assert codes(of(GOOD.replace("200", '"many"'))) == ["FLT004"]
    assert codes(of(GOOD.replace('queues = ["http"]', "queues = 3"))) == ["FLT004"]
    assert codes(of(GOOD.replace('"gevent"', "3"))) == ["FLT006"]
    assert codes(of(GOOD.replace('"gevent"', '"${POOL}"'))) == ["FLT008"]


def test_what_can_be_guessed_leaves_the_rules_to_look_at_the_rest_of_the_table() -> None:
    text = GOOD.replace("concurrency = 200", 'time_limit = "soon"')
    assert codes(of(text)) == ["FLT302", "FLT007"]


def test_a_group_that_is_no_table_is_one_finding() -> None:

    assert codes(of("workers.mail = 3\n" + GOOD)) == ["FLT004"]
    assert codes(of("workers = 3\n" + GOOD.split("[workers", maxsplit=1)[0])) == ["FLT004"]


def test_routes_as_one_table_is_told_how_to_be_a_list() -> None:
    (found,) = of(GOOD.replace("[[routes]]", "[routes]")).diagnostics
    assert found.help == "write [[routes]]: it is a list of tables"


@pytest.mark.parametrize("text", ["[fleet", "a = 1\na = 2", "x = " + "[" * 2000, '"', "\x00"])
def test_what_is_not_toml_is_one_finding(text: str) -> None:
    assert codes(of(text)) == ["FLT001"]


def test_an_empty_file_needs_an_app() -> None:
    assert codes(of("")) == ["FLT005"]


def test_defaults_reach_every_group_and_a_mistake_there_is_one() -> None:
    text = GOOD + '\n[workers.more]\nqueues = ["http"]\n\n[defaults]\npool = "gevnt"\nconcurrency = 100\n'
    text += 'env = { A = "1", B = "1" }\n'
    loaded = of(text.replace('pool = "gevent"', 'env = { B = "2" }', 1))
    assert lines(loaded) == [("FLT006", 20)]
    fleet = of(text.replace("gevnt", "gevent") + '[workers.own]\nqueues = ["http"]\nenv.B = "2"\n').fleet
    assert fleet is not None
    assert fleet.workers["more"].concurrency == 100
    assert fleet.workers["http"].concurrency == 200
    assert fleet.workers["own"].env == {"A": "1", "B": "2"}


def test_an_environment_is_merged_over_the_rest() -> None:
    text = GOOD + '\n[env.staging]\nworkers.http = { concurrency = 100 }\nbroker.url = "redis://staging"\n'
    fleet = of(text, env="staging").fleet
    assert fleet is not None
    assert fleet.workers["http"].concurrency == 100
    assert fleet.workers["http"].pool == "gevent"
    assert fleet.broker.url == "redis://staging"
    assert of(text).fleet is not None
    assert of(text).fleet.broker.url is None  # type: ignore[union-attr]


def test_all_environments_are_checked_and_named() -> None:
    text = GOOD + "\n[env.a.workers.http]\nconcurrency = 4\n[env.b.workers.http]\nconcurrency = 4\n"
    text += "[env.c.workers.http]\nnicer = 1\n"
    loaded = check(from_bytes(text.encode(), Path("fleet.toml")), environ={}, machine=a_machine())
    assert [(each.code, each.span.line, each.environments) for each in loaded.diagnostics] == [
        ("FLT303", 17, ("a",)),
        ("FLT303", 19, ("b",)),
        ("FLT003", 21, ("c",)),
    ]


def test_a_variable_that_only_another_environment_needs_is_not_asked_for() -> None:
    text = GOOD + '\n[broker]\nurl = "${BASE}"\n[env.prod]\nbroker.url = "${PROD}"\n'
    assert of(text, environ={"BASE": "redis://base"}).ok
    assert of(text, env="prod", environ={"PROD": "redis://prod"}).ok


def test_an_unknown_environment_is_the_callers_mistake() -> None:
    with pytest.raises(Unreadable, match=r"no \[env\.prod\]; there are: staging"):
        of(GOOD + "\n[env.staging]\n", env="prod")


def test_the_same_finding_from_two_environments_is_one() -> None:
    text = GOOD + "\n[defaults]\nmax_tasks = 0\n[env.a]\n[env.b]\n"
    loaded = check(from_bytes(text.encode(), Path("fleet.toml")), environ={}, machine=a_machine())
    assert [(each.code, each.environments) for each in loaded.diagnostics] == [("FLT004", ())]


def test_lint_ignores_checks_and_changes_severities() -> None:
    text = GOOD.replace("200", "8")
    assert codes(of(text)) == ["FLT303"]
    assert codes(of(text + '\n[lint]\nignore = ["FLT303"]\n')) == []
    assert not of(text + '\n[lint]\nseverity = { FLT303 = "error" }\n').ok
    assert codes(of(text.replace("= 8", "= 8  # fleet: ignore[FLT303] the API allows 8"))) == []
    assert codes(of(text.replace("= 8", "= 8  # fleet: ignore[FLT302]"))) == ["FLT303", "FLT011"]


def test_an_ignore_comment_that_only_an_environment_needs_is_used() -> None:
    text = GOOD + '\n[env.a.workers.http]\nacks = "early"  # fleet: ignore[FLT502] reminders\n'
    assert codes(of(text)) == codes(of(text, env="a")) == []
    assert (
        check(from_bytes(text.encode(), Path("fleet.toml")), environ={}, machine=a_machine()).diagnostics
        == ()
    )
    unused = check(
        from_bytes(text.replace("early", "late").encode(), Path("f")), environ={}, machine=a_machine()
    )
    assert lines(unused) == [("FLT011", 17)]


def test_an_ignore_comment_is_not_unused_because_of_the_machine_or_another_mistake() -> None:
    assert codes(of(GOOD.replace("= 200", "= 200  # fleet: ignore[FLT303] on small machines"))) == []
    text = GOOD.replace("= 200", "= 200  # fleet: ignore[FLT502] why")
    assert codes(of(text)) == ["FLT011"]
    assert codes(of(text.replace("gevent", "gevnt"))) == ["FLT006"]
    assert codes(of(text + '\n[lint]\nignore = ["FLT011"]\n')) == []


def test_what_leaves_no_fleet_can_not_be_ignored() -> None:
    text = GOOD.replace("concurrency = 200", "concurency = 200  # fleet: ignore[FLT003]")
    assert codes(of(text + '[lint]\nignore = ["FLT003"]\n')) == ["FLT003", "FLT012"]


def test_rules_can_be_left_out() -> None:
    source = from_bytes(GOOD.replace("200", "8").encode(), Path("fleet.toml"))
    assert load_source(source, machine=a_machine(), rules=False).diagnostics == ()


def test_digest_follows_the_content() -> None:
    assert of(GOOD).digest == of(GOOD).digest != of(GOOD + "#").digest


def test_a_byte_order_mark_moves_no_column() -> None:
    source = from_bytes(b"\xef\xbb\xbfx = 1\n", Path("fleet.toml"))
    assert load_source(source, machine=a_machine()).diagnostics[0].span.column == 1


def test_unreadable_files_say_why(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(Unreadable, match="is a folder without"):
        load(tmp_path)
    (tmp_path / "latin").write_bytes(b"a = 1\nb = '\xfc'\n")
    with pytest.raises(Unreadable, match="line 2 is not UTF-8"):
        load(tmp_path / "latin")


def test_the_file_is_found_here_or_in_a_parent_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLEET_FILE", raising=False)
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    with pytest.raises(Unreadable, match="fleet init"):
        find_file()
    (tmp_path / "fleet.toml").touch()
    assert find_file() == tmp_path / "fleet.toml"
    monkeypatch.setenv("FLEET_FILE", "other.toml")
    assert find_file() == Path("other.toml")
    assert find_file(Path("named.toml")) == Path("named.toml")


def test_a_symlink_keeps_its_own_folder(tmp_path: Path) -> None:
    """A ConfigMap or a release: the relative paths in the file start where the link is."""
    (tmp_path / "release").mkdir()
    (tmp_path / "release/fleet.toml").write_text(GOOD)
    (tmp_path / "fleet.toml").symlink_to("release/fleet.toml")
    assert read_source(tmp_path / "fleet.toml").folder == tmp_path


def test_routes_as_other_tools_have_them_are_one_mistake() -> None:
    text = GOOD.replace('[[routes]]\ntask = "*"\nqueue = "http"', '[routes]\n"shop.*" = "http"\n"*" = "htpp"')
    loaded = of(text)
    assert lines(loaded) == [("FLT004", 7), ("FLT201", 9)]  # and the queue of the second is looked at
    assert 'the first with task = "shop.*" and queue = "http"' in (loaded.diagnostics[0].help or "")
    assert lines(of(GOOD.replace("[[routes]]", "[routes]"))) == [("FLT004", 7)]


def test_what_is_no_table_is_told_how_to_be_one() -> None:
    (finding,) = of('workers = 4\n[fleet]\napp = "shop"\n').diagnostics
    assert (finding.code, finding.help) == ("FLT004", "write [workers], and what belongs to it as keys below")
