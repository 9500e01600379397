"""Policies: the shipped ones over made-up sessions, definitions that are refused with their place, and analysis that goes on from a snapshot."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.events.steps import SessionStep
from app.trajectory.policies import monitor as monitoring
from app.trajectory.policies import watching
from app.trajectory.policies.policy import PolicyError, definition_of
from app.trajectory.policies.policy_file import PolicyFileError, read_policies
from app.trajectory.policies.templates import TEMPLATES
from app.trajectory.policies.views import PolicyDefinition, PolicyStanding, PolicyVerdict, in_session
from app.trajectory.policies.watching import MAX_FINDINGS, PolicyAnalyzer
from tests.unit.trajectory.policies.session_steps import called, edited, prompted, ran, read, replied, shipped


def rule(formula: str, **given: object) -> PolicyDefinition:
    return definition_of({"id": "p", "words": "Words.", "formula": formula, **given})


def found(policies: Sequence[PolicyDefinition], steps: Sequence[SessionStep]) -> list[SessionFinding]:
    analyzer = PolicyAnalyzer(policies)
    return [each for step in steps for each in analyzer.add(step)]


def broken(id_: str, *steps: SessionStep) -> list[tuple[int, ...]]:
    return [each.evidence for each in found(shipped(id_), steps)]


def test_changed_code_is_checked_before_it_is_committed() -> None:
    id_ = "check-before-commit"
    assert broken(id_, edited(1, "a.py"), ran(2, "git commit -m x")) == [(1, 2)]
    assert broken(id_, ran(0, "pytest"), edited(1, "a.py"), ran(2, "ls"), ran(3, "git commit -m x"), ran(4, "git commit -m y")) == [
        (1, 3),
        (1, 4),
    ]
    assert not broken(id_, edited(1, "a.py"), ran(2, "pytest"), ran(3, "git commit -m x"))
    assert not broken(id_, edited(1, "a.py"), ran(2, "pytest && git commit -m x"))
    assert not broken(id_, edited(1, "README.md"), ran(2, "git commit -m x"))


def test_a_failed_check_is_run_again_after_the_next_edit() -> None:
    id_ = "rerun-failed-check"
    failed = ran(1, "pytest", outcome="failed")
    assert broken(id_, failed, edited(2, "a.py"), ran(3, "git commit -m x")) == [(1, 2, 3)]
    assert broken(id_, failed, edited(2, "a.py"), replied(3, "Fixed it."), prompted(4)) == [(1, 2, 4)]
    assert not broken(id_, failed, edited(2, "a.py"), ran(3, "pytest", outcome="failed"), prompted(4))
    assert not broken(id_, failed, prompted(4))


def test_a_file_is_read_before_a_part_of_it_is_changed() -> None:
    id_ = "read-before-edit"
    assert broken(id_, read(1, "/shop/b.py"), edited(2, "/shop/a.py"), edited(3, "/shop/a.py")) == [(2,)]
    assert not broken(id_, ran(1, "sed -n 1,50p src/a.py"), edited(2, "/shop/src/a.py"))
    assert not broken(id_, called(1, "Write", "a.py\n+ x", files=("a.py",)), edited(2, "a.py"))
    assert not broken(id_, prompted(1, "here is a.py: x = 1"), edited(2, "a.py"))


def test_several_files_that_one_event_breaks_a_rule_for_are_one_finding() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n- x\n+ y\n*** Update File: b.py\n- x\n+ y"
    told = found(shipped("read-before-edit"), [called(1, "apply_patch", patch, files=("a.py", "b.py"))])
    assert len(told) == 1
    assert "a.py, b.py" in told[0].because


def test_nobodys_commits_are_overwritten() -> None:
    assert broken("no-force-push", ran(1, "git push"), ran(2, "git push -f"), ran(3, "git push --force")) == [(2,), (3,)]


def test_done_is_said_after_a_check_of_this_turns_changes() -> None:
    id_ = "done-after-check"
    done = replied(5, "Done. It works.")
    assert broken(id_, prompted(1), edited(2, "a.py"), done) == [(2, 5)]
    assert broken(id_, prompted(1), edited(2, "a.py"), ran(3, "pytest", outcome="failed"), done) == [(2, 5)]
    assert not broken(id_, prompted(1), edited(2, "a.py"), ran(3, "go build ./..."), done)
    assert not broken(id_, edited(2, "a.py"), prompted(3, "what is the till?"), done)


def test_tests_stay_while_they_fail() -> None:
    id_ = "tests-stay"
    failed = ran(1, "pytest", outcome="failed")
    weakened = edited(3, "tests/test_a.py", "assert a() == 2", "a()")
    assert broken(id_, failed, edited(2, "a.py"), weakened) == [(1, 3)]
    assert broken(id_, failed, ran(2, "rm tests/test_a.py")) == [(1, 2)]
    assert not broken(id_, failed, ran(2, "pytest"), weakened)
    assert not broken(id_, weakened)
    assert not broken(id_, ran(1, "ruff check .", outcome="failed"), weakened)


def test_what_is_demanded_and_never_comes_is_told_at_the_end_alone() -> None:
    analyzer = PolicyAnalyzer([rule("always (edits_code implies eventually checks)")])
    assert not [each for step in (edited(1, "a.py"), ran(2, "ls")) for each in analyzer.add(step)]
    told = list(analyzer.at_end())
    assert [(each.first, each.last, each.evidence, each.open) for each in told] == [(1, 1, (1,), True)]
    assert not list(analyzer.add(ran(3, "pytest")))
    assert not list(analyzer.at_end())


def test_a_rule_broken_again_and_again_is_counted_and_told_so_often_only() -> None:
    analyzer = PolicyAnalyzer(shipped("no-force-push"))
    told = [each for seq in range(MAX_FINDINGS + 30) for each in analyzer.add(ran(seq, "git push -f"))]
    assert len(told) == MAX_FINDINGS
    assert analyzer.monitors[0].broken == MAX_FINDINGS + 30


def test_files_past_the_bound_are_dropped_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "MAX_FILES", 4)
    steps = [*(read(seq, f"f{seq}.py") for seq in range(6)), edited(7, "f5.py"), edited(8, "f0.py")]
    told = found(shipped("read-before-edit"), steps)
    assert [each.last for each in told] == [8]
    assert "3 files" in told[0].because


def test_switched_off_policies_watch_nothing() -> None:
    off = [each.switched(enabled=False, severity=None) for each in shipped()]
    assert not found(off, [edited(1, "a.py"), ran(2, "git commit -m x"), ran(3, "git push -f")])


STEPS = st.sampled_from(
    [
        *(ran(0, line) for line in ("pytest", "git commit -m x", "git push -f", "ls", "cat a.py", "rm tests/test_a.py")),
        *(ran(0, "pytest", outcome=each) for each in ("failed", "rejected", None)),
        *(edited(0, path) for path in ("a.py", "b.py", "test_a.py", "README.md")),
        edited(0, "test_a.py", "assert a", "a"),
        replied(0, "Done."),
        prompted(0),
    ]
)
OWN = [
    rule("always (edits_code implies eventually checks)", id="own-response"),
    rule('always (tool "bash" implies next not tool "bash")', id="own-chain"),
    rule("edits implies eventually reads", id="own-file", for_each="file"),
]


def numbered(steps: Sequence[SessionStep]) -> list[SessionStep]:
    return [SessionStep(seq, *(getattr(step, name) for name in SessionStep.__slots__[1:])) for seq, step in enumerate(steps)]


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=25), st.integers(0, 25))
def test_going_on_from_a_snapshot_is_as_if_it_had_never_stopped(drawn: list[SessionStep], cut: int) -> None:
    steps, policies = numbered(drawn), [*shipped(), *OWN]
    whole, first, second = PolicyAnalyzer(policies), PolicyAnalyzer(policies), PolicyAnalyzer(policies)
    told = [each for step in steps for each in whole.add(step)]
    before = [each for step in steps[:cut] for each in first.add(step)]
    second.restore(json.loads(json.dumps(first.snapshot())))
    after = [each for step in steps[cut:] for each in second.add(step)]
    assert before + after == told
    assert list(second.at_end()) == list(whole.at_end())
    assert second.snapshot() == whole.snapshot()


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_at_every_prefix_live_equals_from_scratch(drawn: list[SessionStep]) -> None:
    steps, policies = numbered(drawn), [*shipped(), *OWN]
    live = PolicyAnalyzer(policies)
    for end, step in enumerate(steps, start=1):
        live.add(step)
        scratch = PolicyAnalyzer(policies)
        for each in steps[:end]:
            scratch.add(each)
        assert [each.verdict for each in live.monitors] == [each.verdict for each in scratch.monitors]
        assert list(live.at_end()) == list(scratch.at_end())


def test_another_rule_under_the_same_name_is_another_version() -> None:
    versions = {PolicyAnalyzer(each).version for each in ([rule("eventually checks")], [rule("always not checks")], [], shipped())}
    assert len(versions) == 4


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_can_be_kept_and_broken(name: str) -> None:
    words = {
        "of": "commits",
        "one": "commits",
        "other": "pushes",
        "when": "edits",
        "then": "checks",
        "before": "commits",
        "need": "checks",
        "after": "edits",
    }
    parts = {part: words[part] for part in TEMPLATES[name].parts}
    made = definition_of({"id": "p", "words": "Words.", "template": name, **parts})
    assert definition_of(made.as_values()) == made
    ends = set()
    lines = ("git commit -m x", "git push", "pytest", "ls", "sed -i s/a/b/ a.py")
    for steps in ([one, other, third] for one in lines for other in lines for third in lines):
        analyzer = PolicyAnalyzer([made])
        for seq, line in enumerate(steps):
            analyzer.add(ran(seq, line))
        ends.add(analyzer.monitors[0].verdict.split("_")[-1])
    assert ends == {"true", "false"}


@pytest.mark.parametrize(
    ("given_", "key", "said"),
    [
        ({"formula": "always (commits"}, "formula", 'expected ")"'),
        ({"formula": "always comits"}, "formula", 'did you mean "commits"'),
        ({"formula": "always (\n  commits implies tests_pased)"}, "formula", "tests_passed"),
        ({"formula": 'tool "bash" and tool'}, "formula", "needs a value"),
        ({"formula": 'commits "x"'}, "formula", "takes no value"),
        ({"formula": 'path "a*b*c*d*e"'}, "formula", "stars"),
        ({"formula": "once eventually commits"}, "formula", "looks ahead"),
        ({"formula": "commits or not commits"}, "formula", "true for every session"),
        (
            {
                "formula": " and ".join(
                    list(
                        BITS_IN_USE := [
                            "asks",
                            "says",
                            "plans",
                            "reads",
                            "edits",
                            "writes",
                            "checks",
                            "runs",
                            "commits",
                            "pushes",
                            "fails",
                            "shows",
                            "tests",
                        ]
                    )
                )
            },
            "formula",
            "at most 12",
        ),
        ({"formula": "commits", "template": "absence", "of": "commits"}, "formula", "either"),
        ({}, "formula", "either"),
        ({"template": "absense", "of": "commits"}, "template", 'did you mean "absence"'),
        ({"template": "absence"}, "of", "it is missing: write a formula"),
        ({"template": "absence", "of": "comits"}, "of", "commits"),
        ({"formula": "eventually commits", "severty": "alert"}, "severty", 'did you mean "severity"'),
        ({"formula": "eventually commits", "severity": "block"}, "severity", "nudge, metric, alert"),
        ({"formula": "eventually commits", "id": "Not An Id"}, "id", "hyphens"),
        ({"formula": "eventually commits", "words": ""}, "words", "expected a text"),
        ({"formula": "eventually commits", "enabled": "maybe"}, "enabled", "true or false"),
        ({"formula": "eventually " * 60 + "commits"}, "formula", "nested"),
    ],
)
def test_a_definition_is_refused_with_its_key_and_reason(given_: dict[str, object], key: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        definition_of({"id": "p", "words": "Words.", **given_})
    assert (refused.value.key, said in refused.value.message) == (key, True), refused.value.message


YAML = "policies:\n  - id: one\n    words: Words.\n    formula: "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (YAML + "always (comits)", "line 4, column 22: formula: there is no predicate"),
        (YAML + "|\n      always (\n        comits)", "line 6, column 3 of the block's text: formula: there is no predicate"),
        (YAML + '"always (commits"', 'line 4, column 30: formula: expected ")"'),
        (YAML + "[a, b]", "line 4, column 14: expected a text"),
        (YAML + "eventually commits\n    formula: commits", 'line 5, column 5: the key "formula" stands here twice'),
        (
            YAML + "eventually commits\n  - id: one\n    words: W.\n    formula: eventually checks",
            "line 5, column 5: there is a policy one already",
        ),
        (YAML + "eventually commits\n    severty: alert", "line 5, column 14: severty: a policy has no such key"),
        ("rules: []", 'expected only the key "policies"'),
        ("policies: 3", 'expected the key "policies" with a list'),
        ("policies: [x]", "line 1, column 12: expected a policy"),
        ("policies: [", "line 1, column 12: it is no YAML"),
        ("[" * 5000, "it is no YAML"),
        ("", 'expected the key "policies"'),
        ("a: &a [x]\npolicies: *b", "no YAML"),
        ("policies: []\npolicies: []", 'line 2, column 1: the key "policies" stands here twice'),
        ('policies: ["\\UFFFFFFFF"]', "it is no YAML"),
        (f"policies: [{'a,' * 60_000}]", "more than 5,000 values and keys"),
        (f"policies: {'[' * 9}", "line 1, column 18: it is no YAML: more than 5,000 values and keys, or nested more than 8 deep"),
        (f"%YAML {'9' * 5_000}.1\n---\npolicies: []", "it is no YAML"),
        (YAML + '"tool \\"\\uD800\\""', "line 4, column 15: formula: it holds NUL or half of a surrogate pair"),
        ('policies:\n- id: a\n  words: "a\\0"\n  formula: eventually checks', "line 3, column 11: words: it holds NUL"),
        ("policies: " + "x" * 300_000, "more than 200,000 bytes"),
        ("policies: [" + "x," * 101 + "]", "at most 100"),
    ],
)
def test_a_file_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(PolicyFileError) as refused:
        read_policies(text, name="rules.yaml")
    assert said in refused.value.message, refused.value.message


def test_states_of_code_with_other_predicates_are_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PolicyAnalyzer(shipped()).version
    assert PolicyAnalyzer(shipped()).version == before
    monkeypatch.setattr(watching, "BITS", {"new": 1, **watching.BITS})
    assert PolicyAnalyzer(shipped()).version != before


def test_a_file_tells_all_that_is_wrong() -> None:
    with pytest.raises(PolicyFileError) as refused:
        read_policies(YAML + "comits\n  - id: two\n    words: W.\n    formula: (", name="rules.yaml")
    assert len(refused.value.problems) == 2


def test_six_policies_are_shipped() -> None:
    assert {each.id for each in shipped()} == {
        *("check-before-commit", "rerun-failed-check", "read-before-edit", "no-force-push", "done-after-check", "tests-stay"),
    }


@pytest.mark.parametrize(
    ("verdict", "at_end"), [("true", "true"), ("presumably_true", "true"), ("presumably_false", "false"), ("false", "false")]
)
def test_at_its_end_a_session_has_only_two_verdicts(verdict: PolicyVerdict, at_end: PolicyVerdict) -> None:
    standing = PolicyStanding("kept", verdict, 0, None, (3,), "It hasn't come.")
    assert in_session(standing, "nudge", ended=False).verdict == verdict
    assert in_session(standing, "nudge", ended=True).verdict == at_end
    assert PolicyStanding.of_values(standing.as_values()) == standing


def test_a_standing_names_what_is_awaited_and_until_when() -> None:
    demanded = {"id": "checked", "words": "Edits are checked.", "template": "response", "when": "edits", "then": "checks"}
    analyzer = PolicyAnalyzer([definition_of(demanded)])
    for step in (edited(1, "till.py"), ran(2, "git status")):
        tuple(analyzer.add(step))
    (standing,) = analyzer.standings()
    assert (standing.verdict, standing.evidence, standing.because) == ("presumably_false", (1,), "Edits are checked. It hasn't come yet.")
    tuple(analyzer.add(ran(3, "pytest -q")))
    assert analyzer.standings() == [PolicyStanding("checked", "presumably_true", 0)]
