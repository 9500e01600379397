"""Violations of policies: each counted once however often its session is read, people told once, verdicts at the end and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch
from uuid import UUID

import pytest

from app import clock
from app.alerts.policy_rules import PolicyRule
from app.alerts.rules import Rules
from app.telemetry import metrics
from app.trajectory.policies.views import PolicyDefinition, PolicySwitch
from tests.integration.trajectory.conftest import TrajectoryBench
from tests.integration.trajectory.policy_bench import CHECKED, PolicyBench, made_bench, ran, written

FORCE = "git push --force"


@pytest.fixture
def watched(bench: TrajectoryBench) -> PolicyBench:
    return made_bench(bench)


@pytest.fixture
def counted() -> Iterator[list[str]]:
    """The labels of the violations that were counted."""
    found: list[str] = []
    with patch.object(metrics, "policy_broken", found.append):
        yield found


async def test_a_violation_is_counted_and_told_once_by_whichever_server(watched: PolicyBench, counted: list[str]) -> None:
    session_id = await watched.bench.session("forced")
    await watched.bench.append(session_id, [ran(1, "git status"), ran(2, FORCE), ran(3, FORCE)])
    assert await watched.evaluator().evaluate() == [], "it isn't due before it has settled"
    await watched.make_due()
    told = await asyncio.gather(*(watched.evaluator().evaluate() for _ in range(4)))
    assert [len(each) for each in told if each] == [1]
    assert counted == ["no-force-push"] * 2
    (notice,) = await watched.notices()
    assert (notice["rule"], notice["policy"], notice["project"], notice["count"]) == ("policy_broken", "no-force-push", "shop", 1)
    assert notice["urls"] == [f"https://cairn.example/dashboard/sessions/{session_id}"]
    assert "git" not in str(notice)


async def test_reading_a_session_again_counts_and_tells_nothing_again(watched: PolicyBench, counted: list[str]) -> None:
    session_id = await watched.bench.session("again")
    await watched.bench.append(session_id, [ran(1, FORCE)])
    await watched.make_due()
    assert len(await watched.evaluator().evaluate()) == 1
    watched.register("2")
    await watched.bench.bring_up(session_id)
    await watched.bench.append(session_id, [ran(2, FORCE)])
    await watched.make_due()
    assert await watched.evaluator().evaluate() == [], "people know of this session and policy"
    assert counted == ["no-force-push"] * 2
    assert len(await watched.notices()) == 1


async def test_what_a_late_result_takes_back_is_neither_counted_nor_told(watched: PolicyBench, counted: list[str]) -> None:
    session_id, waiting = await watched.bench.session("refused"), ran(1, FORCE, outcome=None)
    assert waiting.tool is not None
    waiting = replace(waiting, tool=replace(waiting.tool, exit_code=None))
    await watched.bench.append(session_id, [waiting])
    assert await watched.values("select policy from session_policy_violations") == ["no-force-push"]
    rejected = replace(waiting, tool=replace(waiting.tool, output="The user doesn't want to proceed"), outcome="rejected")  # type: ignore[type-var]
    await watched.bench.append(session_id, [rejected])
    await watched.make_due()
    assert await watched.evaluator().evaluate() == []
    assert counted == []
    assert await watched.values("select policy from session_policy_violations") == []


async def test_people_are_told_by_severity_and_rule_and_all_is_counted(watched: PolicyBench, counted: list[str]) -> None:
    own = {
        "id": "no-status",
        "words": "Nobody asks for the state.",
        "severity": "nudge",
        "template": "absence",
        "of": 'command "git status"',
    }
    await watched.rules(own, switches=[PolicySwitch("no-force-push", severity="metric")])
    session_id = await watched.bench.session("severities")
    await watched.bench.append(session_id, [ran(1, "git status"), ran(2, FORCE)])
    await watched.make_due()
    only = PolicyRule(what="Asked for the state", policy="broken", severities=("nudge",), policies=("no-status",))
    (alert,) = await watched.evaluator(rules=Rules({}, {}, {"asked": only})).evaluate()
    assert (alert.rule, alert.policy) == ("asked", "no-status")
    assert sorted(counted) == ["no-force-push", "own"], "ids of a project's own policies are no labels"


async def test_old_transcripts_are_counted_and_tell_nobody(watched: PolicyBench, counted: list[str]) -> None:
    session_id = await watched.bench.session("old")
    await watched.bench.append(session_id, [replace(ran(1, FORCE), at=clock.now() - timedelta(days=30))])
    await watched.make_due()
    assert await watched.evaluator().evaluate() == []
    assert counted == ["no-force-push"]


async def test_sessions_of_a_project_are_told_together_and_a_closed_one_isnt_named(watched: PolicyBench) -> None:
    await watched.rules({"id": "secret-plan", "words": "W.", "severity": "alert", "template": "absence", "of": "commits"})
    for name in ("one", "two", "three"):
        await watched.bench.append(await watched.bench.session(name), [ran(1, "git commit -m x")])
    await watched.make_due()
    (alert,) = await watched.evaluator(names={}).evaluate()
    (notice,) = await watched.notices()
    assert (len(alert.sessions), notice["count"], notice["project"], notice["policy"]) == (3, 3, None, "own")
    assert "shop" not in str(notice)
    assert "secret-plan" not in str(notice)


async def test_a_rule_can_be_off_or_keep_from_the_webhook(watched: PolicyBench, counted: list[str]) -> None:
    for name, fields, told in (("off", {"enabled": False}, 0), ("quiet", {"post": False}, 1)):
        await watched.bench.append(await watched.bench.session(name), [ran(1, FORCE)])
        await watched.make_due()
        rule = PolicyRule.model_validate({"what": "W", "policy": "broken"} | fields)
        assert len(await watched.evaluator(rules=Rules({}, {}, {"r": rule})).evaluate()) == told
    assert await watched.notices() == []
    assert counted == ["no-force-push"] * 2


async def test_what_hasnt_come_when_a_session_ends_is_a_violation_and_is_taken_back(watched: PolicyBench, counted: list[str]) -> None:
    await watched.rules(CHECKED)
    session_id = await watched.bench.session("unchecked")
    await watched.bench.append(session_id, [written(1), ran(2, "git status")])
    found = (await watched.verdicts(session_id))["checked"]
    assert (found.verdict, found.ended, found.evidence) == ("presumably_false", False, (1,))
    assert await watched.evaluator().evaluate() == []
    await watched.change("update sessions set updated_at = now() - interval '25 hours'")
    await watched.make_due()
    found, kept = (await watched.verdicts(session_id))["checked"], (await watched.verdicts(session_id))["no-force-push"]
    assert (found.verdict, found.ended, found.because) == ("false", True, "Edits are checked. It hasn't come yet.")
    assert (kept.verdict, kept.ended) == ("true", True)
    assert [each.policy for each in await watched.evaluator().evaluate()] == ["checked"]
    assert counted == ["own"]
    await watched.bench.append(session_id, [ran(3, "pytest -q", outcome="ok")])
    found = (await watched.verdicts(session_id))["checked"]
    assert (found.verdict, found.ended, found.evidence, found.because) == ("presumably_true", False, (), "")


async def test_a_session_that_goes_on_before_its_end_counts_nothing(watched: PolicyBench, counted: list[str]) -> None:
    await watched.rules(CHECKED)
    session_id = await watched.bench.session("goes on")
    await watched.bench.append(session_id, [written(1)])
    assert await watched.values("select at_end from session_policy_violations") == [True]
    await watched.bench.append(session_id, [ran(2, "pytest -q", outcome="ok")])
    await watched.make_due()
    assert await watched.evaluator().evaluate() == []
    assert counted == []


async def test_changed_rules_read_standing_sessions_anew_and_only_that_projects(watched: PolicyBench) -> None:
    session_id, other = await watched.bench.session("standing"), await watched.bench.session("other", project="other")
    for each in (session_id, other):
        await watched.bench.append(each, [written(1), ran(2, "git status")])
    await watched.rules(CHECKED)
    versions = watched.bench.projections.versions
    assert await watched.bench.checkpoints.due(versions, limit=10) == [(watched.bench.team_id, session_id)]
    assert "checked" not in await watched.verdicts(session_id)
    await watched.bench.bring_up(session_id)
    assert (await watched.verdicts(session_id))["checked"].verdict == "presumably_false"
    assert await watched.bench.checkpoints.due(versions, limit=10) == []
    await watched.rules(CHECKED | {"words": "Whatever is edited is checked.", "severity": "metric"})
    assert await watched.bench.checkpoints.due(versions, limit=10) == [], "words and severities change no verdict"


@pytest.mark.parametrize("known", [True, False])
async def test_a_run_with_the_rules_of_before_is_overtaken(watched: PolicyBench, known: bool) -> None:
    session_id = await watched.bench.session("raced")
    if known:
        await watched.bench.append(session_id, [written(1)])
    of, changes = watched.policies.of, [CHECKED]

    async def changed_meanwhile(project_id: UUID) -> Sequence[PolicyDefinition]:
        found = await of(project_id)
        while changes:
            await watched.rules(changes.pop())
        return found

    await watched.bench.journal.append(session_id, [written(2), ran(3, "git status")], from_file=False)
    with patch.object(watched.policies, "of", changed_meanwhile):
        await watched.bench.bring_up(session_id)
    assert (await watched.verdicts(session_id))["checked"].verdict == "presumably_false"


async def test_a_session_that_comes_into_a_project_with_other_rules_is_read_anew(watched: PolicyBench) -> None:
    session_id = await watched.bench.session("moved", project="old")
    await watched.bench.append(session_id, [written(1)])
    await watched.rules(CHECKED)
    async with watched.bench.database.begin() as connection:
        old = await watched.bench.accounts.project_id(connection, watched.bench.team_id, "old")
    await watched.bench.merging().merge(watched.bench.team_id, old, into=watched.bench.project_id)
    await watched.bench.bring_up(session_id)
    assert (await watched.verdicts(session_id))["checked"].verdict == "presumably_false"


async def test_a_purge_and_a_merge_take_violations_along(watched: PolicyBench) -> None:
    gone, moved = await watched.bench.session("gone", project="old"), await watched.bench.session("moved", project="old")
    for each in (gone, moved):
        await watched.bench.append(each, [ran(1, FORCE)])
    await watched.bench.purge().delete_session(watched.admin, gone)
    async with watched.bench.database.begin() as connection:
        old = await watched.bench.accounts.project_id(connection, watched.bench.team_id, "old")
    await watched.bench.merging().merge(watched.bench.team_id, old, into=watched.bench.project_id)
    assert await watched.values("select project_id from session_policy_violations") == [watched.bench.project_id]
