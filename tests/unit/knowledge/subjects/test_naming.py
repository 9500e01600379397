"""What an item is about is read from its words: files, symbols, settings, tools, services and tickets, each in one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.subjects.naming import MAX_SUBJECTS, subjects_of
from app.knowledge.subjects.spelling import normalised
from tests.unit.knowledge.growth import MAX_GROWTH, growth


def names(text: str) -> set[str]:
    return {f"{each.kind} {each.name}" for each in subjects_of("", text)}


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("The pool is set in app/storage/pool.py:42, not in `Dockerfile`.", {"file app/storage/pool.py", "file dockerfile"}),
        ("Der Fehler steht in src\\main.rs und ./ci/build.yml.", {"file src/main.rs", "file ci/build.yml"}),
        (
            "`KnowledgeStore.reconcile()` calls load_page, then loadPage.",
            {"symbol knowledgestore.reconcile", "symbol load_page", "symbol loadpage"},
        ),
        ("Call foo::bar() twice.", {"symbol foo::bar"}),
        ("Set CAIRN_DATABASE__URL or pass `--dry-run`.", {"setting cairn_database__url", "setting --dry-run"}),
        ("`knowledge.max_tokens = 5` is too small.", {"setting knowledge.max_tokens"}),
        ("Run `mypy` and `ruff check .` first.", {"tool mypy", "tool ruff"}),
        ("Wir nutzen pnpm, nicht npm.", {"tool pnpm", "tool npm"}),
        ("The `billing` service waits for Redis.", {"service billing", "service redis"}),
        ("Publish order events through nats-jetstream", {"service nats-jetstream"}),
        ("move order events from nats-jetstream to redpanda", {"service nats-jetstream", "service redpanda"}),
        ("订单事件通过 nats-jetstream 发布", {"service nats-jetstream"}),
        ("Les factures passent par le payment-worker.", {"service payment-worker"}),
        ("See SHOP-123, #42 and acme/till#7.", {"ticket SHOP-123", "ticket #42", "ticket acme/till#7"}),
        ("https://github.com/acme/shop/pull/77 reverted it.", {"ticket acme/shop#77"}),
    ],
)
def test_a_name_is_found_with_its_kind(text: str, about: set[str]) -> None:
    assert names(text) == about


@pytest.mark.parametrize(
    "text",
    [
        "Use UTF-8 and SHA-256 with TLS-1.",
        "We retry and/or wait, e.g. 3.5 seconds.",
        "It goes through end-to-end tests.",
        "The API server answers, and the old worker waits.",
        "Version 1.2.3 came out in Q3.",
        "他们决定等待。",
    ],
)
def test_what_only_looks_like_a_name_is_no_subject(text: str) -> None:
    assert names(text) == set()


def test_node_js_is_no_file() -> None:
    assert not {each for each in names("Use Node.js 20 with Next.js.") if each.startswith("file")}


def test_paths_excerpts_and_branches_add_files_and_tickets() -> None:
    found = subjects_of(
        "Pool",
        "It has five connections.",
        paths=["deploy/staging.yaml"],
        excerpts=["in pool.py, see loadPage()"],
        branches=["fix/shop-9-pool", "issue-12"],
    )
    assert [tuple(each) for each in found] == [
        ("file", "deploy/staging.yaml"),
        ("file", "pool.py"),
        ("ticket", "SHOP-9"),
        ("ticket", "#12"),
    ]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("`loadPage()`", "loadpage"),
        ("./app/Pool.py:12", "app/pool.py"),
        ("app\\pool.py#L3-L9", "app/pool.py"),
        ("shop-12", "SHOP-12"),
        ("“Redis”", "redis"),
        ("ＮＡＴＳ", "nats"),
    ],
)
def test_spellings_of_one_name_are_one(written: str, stored: str) -> None:
    assert normalised(written) == stored


@given(st.text(max_size=400))
def test_any_text_has_a_bounded_number_of_distinct_names(text: str) -> None:
    found = subjects_of("", text)
    assert len(found) == len({each.name for each in found}) <= MAX_SUBJECTS


@given(st.text(max_size=60))
def test_a_normalised_name_stays_as_it_is_once_stored(text: str) -> None:
    for each in subjects_of("", text):
        assert normalised(each.name) == each.name


@pytest.mark.parametrize("unit", ["+", "a\\", "a/", "a#", "a::", "a->", "aB#", "aB::", "a_b::", "a-", "A_", "`", " ", "the a ", "é"])
def test_reading_takes_time_by_the_length_of_any_text(unit: str) -> None:
    assert growth(lambda text: subjects_of("", text, excerpts=[text]), unit) < MAX_GROWTH


def test_a_name_beside_an_endless_run_is_found() -> None:
    assert names(f"{'ab+' * 300} app/pool.py") == {"file app/pool.py"}
