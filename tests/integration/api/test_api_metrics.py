"""/metrics after traffic: what the customer asked for is there, and what deploy/ draws and warns about really exists."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.budget.balances import DeveloperSpending
from app.telemetry import metrics
from tests.integration.api.conftest import MAX_BODY_BYTES, Api
from tests.integration.api.door import open_door
from tests.waiting import patience

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
FUNCTIONS = {
    "histogram_quantile", "sum", "rate", "increase", "max", "min", "avg", "by", "le", "ignoring", "on", "e9",
}  # fmt: skip
PROMETHEUS_OWN = {"up"}


def names_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression reads: names that stand before a selector, without labels and functions."""
    without = re.sub(r"\{[^}]*\}|\[[^\]]*\]|(by|ignoring|on)\s*\([^)]*\)", " ", expression)
    return {name for name in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", without) if name not in FUNCTIONS}


@pytest.fixture
async def page(api: Api) -> AsyncIterator[str]:
    """The page after every kind of traffic."""
    async with open_door(api, cached=True) as door:
        for _ in range(2):
            assert (await door.chat("the same question")).status == 200
        await door.events("a stream, please")
        await api.ask("POST", "/v1/knowledge/query", json={"query": "why does it wait?"})
        await api.ask("POST", f"/v1/channels/c{uuid4().hex[:6]}/messages", json={"type": "note", "payload": {"a": 1}})
        await door.money()
        yield (await api.ask("GET", "/metrics")).text


async def test_prometheus_can_read_the_page(page: str) -> None:
    families = list(text_string_to_metric_families(page))
    assert len(families) > 30
    for family in families:
        assert family.documentation, family.name


@pytest.mark.parametrize(
    "measured",
    [
        'gen_ai_client_token_usage_count{gen_ai_operation_name="chat",gen_ai_provider_name="one",gen_ai_request_model="one-model",gen_ai_token_type="input"}',
        "gen_ai_server_request_duration_seconds_bucket{",
        "gen_ai_server_time_to_first_token_seconds_count{",
        "gen_ai_server_time_per_output_token_seconds_count{",
        'cache="memory"',
        'cairn_database_pool{kind="most"} 50.0',
        'cairn_cache_hit_ratio{cache="completions"}',
        'cairn_ai_response_seconds_bucket{le="2.5",provider="one"}',
        'cairn_queue_depth{queue="messages"}',
        'cairn_queue_depth{queue="jobs"}',
        'cairn_knowledge_search_seconds_bucket{le="0.015"}',
        'kind="held"',
        'cairn_breaker_open{provider="one"}',
        'cairn_event_loop_lag_seconds_bucket{le="0.1",role="serve"}',
        'cairn_jobs{state="done"}',
        'cairn_database_statement_seconds_count{by="ledger"}',
        "# TYPE cairn_alerts_firing gauge",
    ],
)
async def test_it_says_what_was_asked_for(page: str, measured: str) -> None:
    assert measured in page


async def test_everything_that_the_dashboard_draws_exists(page: str) -> None:
    board = json.loads((DEPLOY / "grafana" / "cairn.json").read_text())
    assert board["uid"] == "cairn"
    drawn = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(drawn) > 25
    _all_there(page, drawn, recorded=set())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


async def test_everything_that_the_rules_read_exists(page: str) -> None:
    file = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    rules = [rule for group in file["groups"] for rule in group["rules"]]
    assert all(("alert" in rule) != ("record" in rule) and rule["expr"] for rule in rules)
    for rule in rules:
        assert set(rule) <= {"alert", "record", "expr", "for", "labels", "annotations"}
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert rule["annotations"]["summary"]
    _all_there(page, [rule["expr"] for rule in rules], recorded={rule["record"] for rule in rules if "record" in rule})


async def test_how_to_scrape_is_valid_and_names_the_rules(page: str) -> None:
    file = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert [(DEPLOY / "prometheus" / name).exists() for name in file["rule_files"]] == [True]
    assert file["scrape_configs"][0]["job_name"] == "cairn"


def _all_there(page: str, expressions: list[str], *, recorded: set[str]) -> None:
    there = set(re.findall(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{| )", page, flags=re.MULTILINE))
    there |= set(re.findall(r"^# TYPE (\S+) (?:gauge|counter)$", page, flags=re.MULTILINE))  # one that says nothing now
    for expression in expressions:
        assert expression.count("(") == expression.count(")"), expression
        missing = names_in(expression) - there - recorded - PROMETHEUS_OWN
        assert not missing, f"{expression}: {missing}"


async def test_with_many_developers_the_page_stays_small() -> None:
    spent = [DeveloperSpending(UUID(int=number), 10**9, 10**9 - number, 0, datetime.now(UTC)) for number in range(500)]
    metrics.set_budgets([(f"dev{place}", each.spent / 1e9, 0.0, 1.0) for place, each in enumerate(spent)])
    shown = re.findall(r'cairn_budget_usd\{developer="([^"]*)",kind="limit"\} (\S+)', metrics.page().decode())
    assert len(shown) == metrics.MAX_DEVELOPERS + 1
    assert dict(shown)["other"] == "450.0"


async def test_a_request_that_is_refused_before_it_is_routed_counts_for_its_route(api: Api) -> None:
    async def seen() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families((await api.ask("GET", "/metrics")).text)
        counted = next(each for each in families if each.name == "cairn_http_requests")
        return {(each.labels["route"], each.labels["status"]): each.value for each in counted.samples if each.name.endswith("_total")}

    before = await seen()
    job = uuid4()
    assert (await api.ask("GET", f"/v1/jobs/{job}", key="wrong")).status == 401
    assert (await api.ask("POST", "/v1/redact", data=b" " * (MAX_BODY_BYTES + 1))).status == 413
    assert (await api.ask("GET", f"/v1/nothing/{job}", key="wrong")).status == 404
    counted = {("/v1/jobs/{job_id}", "401"): 1, ("/v1/redact", "413"): 1, ("unknown", "404"): 1}
    async with patience():  # a request is counted once its body was read, or left
        while {key: value - before.get(key, 0) for key, value in (await seen()).items() if key in counted} != counted:
            await asyncio.sleep(0.05)
    assert (await seen()).get(("unknown", "401")) == before.get(("unknown", "401"))
