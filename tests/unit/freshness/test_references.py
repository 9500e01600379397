"""The files and symbols that an item's words speak of."""

from __future__ import annotations

import pytest

from app.freshness.references import MAX_FILES, MAX_NAME_CHARS, MAX_PATH_CHARS, MAX_SYMBOLS, find_references


def specific(words: str) -> set[str]:
    return {each.written for each in find_references(words, ()).symbols if each.specific}


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("The pool is in src/db/pool.py, see its top.", ("src/db/pool.py",)),
        ("`src/db/pool.py:120` closes it", ("src/db/pool.py",)),
        ("Set it in deploy/app.yaml.", ("deploy/app.yaml",)),
        ("Edit .\\src\\Cart.tsx and Dockerfile", ("src/Cart.tsx", "Dockerfile")),
        ("/home/eve/shop/src/a.go failed", ("/home/eve/shop/src/a.go",)),
        ("C:\\work\\shop\\main.rs failed", ("/work/shop/main.rs",)),
        ("app/[id]/page.tsx renders it", ("app/[id]/page.tsx",)),
        ("See https://example.com/docs/a.py for more", ()),
        ("Call Pool.acquire, e.g. twice; it took 3.5 s", ()),
        ("We chose NATS over Kafka", ()),
    ],
)
def test_files_are_found_as_they_are_written(words: str, files: tuple[str, ...]) -> None:
    assert find_references(words, ()).files == files


def test_the_files_that_a_person_named_come_first_and_once() -> None:
    assert find_references("in b.py and a.py", ["./a.py", "deploy/"]).files == ("a.py", "deploy", "b.py")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("`Pool.acquire(timeout=3)` waits", {"Pool.acquire"}),
        ("set_limit() and parseOrder wait for MAX_RETRIES", {"set_limit", "parseOrder", "MAX_RETRIES"}),
        ("`Pool` keeps five", {"Pool"}),
        ("`ledger::settle` or `Ledger#settle` once", {"ledger::settle", "Ledger#settle"}),
        ("OrderRepository holds them", {"OrderRepository"}),
        ("`save!` and `Order.valid?(x)` raise", {"Order.valid?"}),
        ("the pool and its limit; We use Redis", set()),
        ("`get` and `main` are words", set()),
        ("run `npm install --save x` first", set()),
    ],
)
def test_names_that_are_code_by_their_form_are_specific(words: str, names: set[str]) -> None:
    assert specific(words) == names


def test_a_plain_word_in_backticks_counts_only_within_a_named_file() -> None:
    (found,) = find_references("`settle` in src/ledger.py", ()).symbols
    assert (found.parts, found.specific) == (("settle",), False)


def test_a_name_with_a_mark_is_found_as_it_is_written() -> None:
    assert [each.parts for each in find_references("`save!` in a.rb, `Order.valid?`, `ab!`", ()).symbols] == [
        ("save!",),
        ("Order", "valid?"),
    ]


@pytest.mark.parametrize("length", [MAX_NAME_CHARS - 1, MAX_NAME_CHARS + 1])
def test_a_name_that_no_mark_can_hold_is_left_out(length: int) -> None:
    name = "a_" + "b" * (length - 2)
    for words in (name, f"{name}()", f"Pool.{name}"[:length]):
        assert [each.written for each in find_references(f"{words} is generated", ()).symbols] == (
            [words.removesuffix("()")] if length < MAX_NAME_CHARS else []
        )
    path = "a/" * length + "b.py"
    assert find_references("It is long", [path, "c.py"]).files == (("c.py",) if len(path) > MAX_PATH_CHARS else (path, "c.py"))


def test_references_are_bounded() -> None:
    found = find_references(" ".join(f"a/f{n}.py name_{n}" for n in range(500)), ())
    assert (len(found.files), len(found.symbols)) == (MAX_FILES, MAX_SYMBOLS)


def test_long_texts_without_a_break_are_read_in_linear_time() -> None:
    for words in ("a/" * 20_000, "a_" * 20_000, "`" * 20_000, "A." * 20_000, "a" * 40_000, "[" * 20_000, "C:" * 20_000):
        find_references(words, ())
