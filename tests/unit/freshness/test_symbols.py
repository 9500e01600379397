"""The digests of symbols: of every language, by tokens alone."""

from __future__ import annotations

import pytest

from app.freshness.symbols import MAX_PARSED_BYTES, MAX_SYMBOLS, digest_file

SOURCES = {
    "a.py": (
        "LIMIT = 3\nclass Pool(Base):\n    size = 2\n    @property\n    def acquire(self): return 1\ndef free():\n    def inner(): pass\n",
        {"LIMIT", "Pool", "Pool.size", "Pool.acquire", "free", "free.inner"},
    ),
    "a.ts": (
        (
            "export const X = 1; export abstract class A { f = 1; go(a: number): void {} } interface I { a: string } type T = string;"
            " enum E { A } const g = () => 1; namespace N { function q() {} }"
        ),
        {"X", "A", "A.f", "A.go", "I", "T", "E", "g", "N", "N.q"},
    ),
    "a.tsx": ("export const Cart = () => <div>to pay</div>;\nfunction Row() { return null }", {"Cart", "Row"}),
    "a.js": ("function f() {} class A { m() {} p = 1 } const z = async () => 1; function* gen() {}", {"f", "A", "A.m", "A.p", "z", "gen"}),
    "a.go": (
        "package a\nconst C = 1\nvar V = 2\ntype P struct{}\nfunc (p *P) Get() int { return 1 }\nfunc (g G[T]) Gen() {}\nfunc Free() {}\n",
        {"C", "V", "P", "P.Get", "G.Gen", "Free"},
    ),
    "a.rs": (
        (
            "struct P; impl P { fn get(&self) {} } impl<T> G<T> { fn x() {} } fn free() {} trait T { fn m(); } const C: u8 = 1;"
            " enum E { A } macro_rules! mm { () => {} }"
        ),
        {"P", "P.get", "G.x", "free", "T", "T.m", "C", "E", "mm"},
    ),
    "a.java": (
        "class A { static final int X = 1; A() {} void m() {} interface I { void q(); } } record R(int a) {} enum E { B }",
        {"A", "A.X", "A.A", "A.m", "A.I", "A.I.q", "R", "E"},
    ),
    "a.c": (
        "#define MAX 3\nint *f(int a) { return 0; }\nstruct s { int a; };\ntypedef struct { int b; } t_t;\nstatic int g(void) {}\n",
        {"MAX", "f", "s", "t_t", "g"},
    ),
    "a.cpp": (
        "namespace n { class A { void m() {} }; } void n::A::q() {} template<class T> T& r(T a) {} using B = int; enum class E { X };",
        {"n.A", "n.A.m", "n.A.q", "r", "B", "E"},
    ),
    "a.h": ("struct s { int a; };\n#define MIN(a, b) ((a) < (b) ? (a) : (b))\n", {"s", "MIN"}),
    "a.rb": ("module M\n class A\n  X = 1\n  def m; end\n  def self.s; end\n end\nend\n", {"M", "M.A", "M.A.X", "M.A.m", "M.A.s"}),
}
SAME = {
    "a.py": (
        "def total(a, b):\n    return add(a, 'x', b)\n",
        '@\ndef total(\n    a,\n    b,\n):\n    """Adds."""\n    # both\n    return add(a, "x", b)\n'.removeprefix("@\n"),
    ),
    "a.ts": ("function total(a: A) { return add(a, 'x') }", '/** Adds. */\nfunction total(\n  a: A,\n) {\n  // both\n  return add(a, "x");\n}\n'),
    "a.js": ("function total(a) { return add(a, 'x') }", 'function total(a) {\n  return add(a, "x"); /* both */\n}'),
    "a.tsx": ("const total = () => <b>{x}</b>", "const total = () => (\n  <b>{x}</b>\n);".replace("(\n", "\n").replace("\n);", "\n;")),
    "a.go": ('package a\nfunc total(a int) int { return add(a, "x") }', 'package a\n\n// Adds.\nfunc total(a int) int {\n\treturn add(a, "x")\n}\n'),
    "a.rs": ('fn total(a: u8) -> u8 { add(a, "x") }', '/// Adds.\nfn total(\n    a: u8,\n) -> u8 {\n    add(a, "x") // both\n}\n'),
    "a.java": ("class total { int m(int a) { return add(a); } }", "/** Adds. */\nclass total {\n  // both\n  int m(int a) {\n    return add(a);\n  }\n}"),
    "a.c": ("int total(int a) { return add(a); }", "/* Adds. */\nint\ntotal(int a)\n{\n  return add(a); // both\n}\n"),
    "a.cpp": ("int total(int a) { return add(a); }", "int total(int a)\n{\n  // both\n  return add(a);\n}\n"),
    "a.rb": ("def total(a)\n add(a, 'x')\nend", '# Adds.\ndef total(a)\n  # both\n  add(a, "x")\nend\n'),
}  # fmt: skip
OTHER = {
    "a.py": ("def total(a):\n    if a:\n        add(a)\n        log(a)\n", "def total(a):\n    if a:\n        add(a)\n    log(a)\n"),
    "a.ts": ("function total(a: A) { return `${a} x` }", "function total(a: A) { return `${a} y` }"),
    "a.js": ("function total(a) { return 'a  b' }", "function total(a) { return 'a b' }"),
    "a.tsx": ("const total = () => <b>to pay</b>", "const total = () => <b>paid</b>"),
    "a.go": ("package a\nfunc total() string { return `a  b` }", "package a\nfunc total() string { return `a b` }"),
    "a.rs": ("fn total() -> u8 { 1 }", "fn total() -> u16 { 1 }"),
    "a.java": ("class total { int m() { return 1; } }", "class total { int m() { return 2; } }"),
    "a.c": ("int total(void) { return 'a'; }", "int total(void) { return 'b'; }"),
    "a.cpp": ('int total() { return f("a b"); }', 'int total() { return f("ab"); }'),
    "a.rb": ('def total\n "#{a} x"\nend', 'def total\n "#{a} y"\nend'),
}


def symbols(path: str, source: str) -> dict[str, str]:
    found = digest_file(path, source.encode(), blob="0" * 40).symbols
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("path", SOURCES)
def test_definitions_are_found_with_what_they_stand_in(path: str) -> None:
    source, expected = SOURCES[path]
    assert symbols(path, source).keys() == expected


@pytest.mark.parametrize("path", SAME)
def test_layout_and_comments_change_no_digest(path: str) -> None:
    before, after = (symbols(path, each)["total"] for each in SAME[path])
    assert before == after


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.py", 'def total():\n    return """a\nb"""\n'),
        ("a.go", "package a\nfunc total() string { return `a\nb` }\n"),
        ("a.rb", 'def total\n "a\nb"\nend\n'),
    ],
)
def test_the_ends_of_lines_change_no_digest(path: str, source: str) -> None:
    before, after = (digest_file(path, each.encode(), blob="") for each in (source, source.replace("\n", "\r\n")))
    assert before == after


@pytest.mark.parametrize("path", OTHER)
def test_another_token_or_another_block_changes_the_digest(path: str) -> None:
    before, after = (symbols(path, each)["total"] for each in OTHER[path])
    assert before != after


def test_a_change_beside_a_symbol_leaves_its_digest() -> None:
    before, after = "def a(): return 1\ndef b(): return 1\n", "def a(): return 1\ndef b(): return 2\n"
    assert symbols("a.py", before)["a"] == symbols("a.py", after)["a"]
    assert symbols("a.py", before)["b"] != symbols("a.py", after)["b"]
    assert digest_file("a.py", before.encode(), blob="").whole != digest_file("a.py", after.encode(), blob="").whole


def test_overloads_are_one_symbol_that_changes_with_each_of_them() -> None:
    before, after = (
        symbols("a.cpp", "int f(int a) { return 1; } int f(char a) { return 2; }"),
        symbols("a.cpp", "int f(int a) { return 1; } int f(char a) { return 3; }"),
    )
    assert before.keys() == after.keys() == {"f"}
    assert before != after


@pytest.mark.parametrize("path", ["logo.png", "a.py"])
def test_a_binary_file_is_known_by_its_id(path: str) -> None:
    found = digest_file(path, b"\x89PNG\0\x01" * 10, blob="f" * 40)
    assert (found.whole, found.symbols) == ("f" * 40, None)


def test_a_file_of_no_known_language_has_tokens_alone() -> None:
    before, after, other = (digest_file("deploy.yaml", each, blob="") for each in (b"a: 1\nb: 2", b"a:  1\n\nb: 2\n", b"a: 1\nb: 3"))
    assert before == after
    assert before != other


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.js", b"function f() {}\n" + b"x;" * MAX_PARSED_BYTES),
        ("a.py", b"def f(): pass\n" * (MAX_PARSED_BYTES // 10)),
        ("a.py", "def f():\n    pass\n".encode("utf-16")),
        ("a.py", b"".join(b"A%d = 1\n" % n for n in range(MAX_SYMBOLS + 1))),
    ],
    ids=["long", "long, with symbols", "UTF-16", "many symbols"],
)
def test_the_symbols_of_what_is_not_parsed_whole_are_unknown_rather_than_none(path: str, source: bytes) -> None:
    assert digest_file(path, source, blob="").symbols is None


def test_as_many_symbols_as_are_looked_at_are_known() -> None:
    assert len(symbols("a.py", "".join(f"A{n} = 1\n" for n in range(MAX_SYMBOLS)))) == MAX_SYMBOLS


@pytest.mark.parametrize("source", [b"", b"\xff\xfe\xfa", b"def (:\n  class", b"}}}}", b"(" * 5_000])
@pytest.mark.parametrize("path", SOURCES)
def test_broken_source_gives_the_same_digest_each_time(path: str, source: bytes) -> None:
    assert digest_file(path, source, blob="") == digest_file(path, source, blob="")
