"""The file of rules: what ships is valid and covers what was promised; a bad file says which rule and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.alerts.rules import SHIPPED, load
from app.errors import ConfigurationError
from app.settings import Settings

GOOD = {
    "what": '"slow"', "series": '"inference.seconds"', "take": '"p95"', "above": "2.0", "clear": "1.5",
}  # fmt: skip


ABOUT_POLICIES = '[told]\nwhat = "W"\npolicy = "broken"\n'
"""A file with such a rule isn't older than these."""


def test_the_shipped_rules_about_series() -> None:
    rules = load(Settings().alerts.rules).enabled_series
    said = {name: (rule.series, rule.take, rule.threshold, rule.for_seconds) for name, rule in rules.items()}
    assert said == {
        "inference_slow": ("inference.seconds", "p95", 2.0, 300),
        "database_slow": ("database.seconds", "p95", 0.5, 300),
        "hit_rate_low": ("cache.hits", "share", 0.4, 600),
        "memory_full": ("machine.memory", "last", 0.8, 300),
        "cpu_full": ("machine.cpu", "last", 0.95, 300),
        "disk_full": ("disk.used", "last", 0.9, 60),
        "breaker_open": ("breaker.open", "last", 0.9, 0),
        "provider_disputed": ("inference.disputes", "sum", 0.0, 0),
        "queue_stuck": ("queue.oldest", "last", 600.0, 300),
        "budget_early": ("budget.used_early", "last", 0.9, 0),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"series": '"nothing"'}, "there is no series 'nothing'"),
        ({"take": '"share"'}, "doesn't fit inference.seconds"),
        ({"take": '"p42"'}, "slow_answers.take"),
        ({"above": None}, "either above or below"),
        ({"below": "1.0"}, "either above or below"),
        ({"clear": "2.5"}, "clear must not lie beyond"),
        ({"each": '["colour"]'}, "no label colour"),
        ({"of": '"cache.hits"'}, "belong together"),
        ({"for_seconds": "-1"}, "slow_answers.for_seconds"),
        ({"above": '"much"'}, "slow_answers.above"),
        ({"abov": "1"}, "slow_answers.abov"),
        ({"above": "nan"}, "slow_answers.above"),
    ],
)
def test_an_invalid_rule_about_a_series_is_refused_by_name(tmp_path: Path, change: dict[str, str | None], said: str) -> None:
    file = tmp_path / "alerts.toml"
    fields = {name: value for name, value in (GOOD | change).items() if value is not None}
    file.write_text("[slow_answers]\n" + "\n".join(f"{name} = {value}" for name, value in fields.items()))
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    assert said in refused.value.message
    assert str(file) in refused.value.message


def test_a_rule_that_is_named_or_described_by_a_secret_is_refused_without_repeating_it(tmp_path: Path) -> None:
    secret = "gh" + "p_" + "z9y8x7w6v5" * 3 + "u4t3s2"
    for name, what in ((secret, "slow"), ("slow", f"slow with the key {secret}")):
        file = tmp_path / "alerts.toml"
        fields = GOOD | {"what": f'"{what}"'}
        file.write_text(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items()))
        with pytest.raises(ConfigurationError, match="looks like a secret") as refused:
            load(file)
        assert secret not in refused.value.message


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CAIRN_ALERTS__RULES"):
        load(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[a\n")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load(tmp_path / "broken.toml")


BUDGET = {"what": '"spent"', "budget": '"spent"', "shares": "[50, 75]"}


def section(name: str, fields: dict[str, str | None]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None)


def test_the_shipped_rules_about_budgets_raise_the_alerts_of_older_versions() -> None:
    rules = load(SHIPPED).enabled_budgets
    assert sorted(alert for rule in rules for alert in rule.alerts) == sorted(
        [
            *(f"{share}%" for share in (50, 80, 90, 100)),
            "90%-early",
            *(f"tokens-{share}%" for share in (50, 80, 90, 100)),
            "day-",
            "overrun-",
            "disputed-",
        ]
    )
    assert [rule.days_left for rule in rules if rule.alerts == ["90%-early"]] == [7]
    assert all(rule.post for rule in rules)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"budget": '"euros"'}, "half_gone.budget"),
        ({"shares": None}, "these need it"),
        ({"budget": '"overrun"'}, "belongs to budget"),
        ({"shares": "[0]"}, "from 1 to 100"),
        ({"shares": "[50, 101]"}, "from 1 to 100"),
        ({"shares": "[50, 50]"}, "each once"),
        ({"shares": "[0.5]"}, "half_gone.shares.0"),
        ({"budget": '"tokens"', "days_left": "3"}, "days_left belongs to"),
        ({"days_left": "31"}, "half_gone.days_left"),
        ({"series": '"inference.seconds"'}, "half_gone.series"),
        ({"above": "1.0"}, "half_gone.above"),
        ({"what": None}, "half_gone.what"),
        ({"what": f'"key {"gh" + "p_" + "z9y8x7w6v5" * 3 + "u4t3s2"}"'}, "looks like a secret"),
    ],
)
def test_an_invalid_rule_about_budgets_is_refused_by_name(tmp_path: Path, change: dict[str, str | None], said: str) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(section("half_gone", BUDGET | change))
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    assert said in refused.value.message
    assert str(file) in refused.value.message


def test_two_rules_with_the_same_alert_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(section("first", BUDGET) + section("second", BUDGET | {"shares": "[75, 90]"}))
    with pytest.raises(ConfigurationError, match=r"second raises the same alert as first \(75%\)"):
        load(file)
    file.write_text(
        section("first", BUDGET) + section("second", BUDGET | {"days_left": "9"}) + section("third", BUDGET | {"enabled": "false"})
    )
    assert [alert for rule in load(file).enabled_budgets for alert in rule.alerts] == ["50%", "75%", "50%-early", "75%-early"]


def test_a_file_without_rules_about_budgets_gets_the_shipped_ones_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(section("slow_answers", dict(GOOD)) + ABOUT_POLICIES)
    with capture_logs() as logged:
        rules = load(file)
    assert rules.budgets == load(SHIPPED).budgets
    assert set(rules.series) == {"slow_answers"}
    assert [(each["event"], each["log_level"], each["file"]) for each in logged] == [("alerts.rules.no_budgets", "warning", str(file))]


def test_a_file_with_a_rule_about_budgets_gets_no_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(section("none_of_them", BUDGET | {"enabled": "false"}) + ABOUT_POLICIES)
    with capture_logs() as logged:
        assert load(file).enabled_budgets == []
    assert logged == []


def test_names_of_older_versions_are_read_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    old = {"what": '"full"', "series": '"pool.used"', "take": '"most"', "above": "0.9", "clear": "0.8", "least": "3"}
    file.write_text(section("pool_full", old) + section("half_gone", BUDGET) + ABOUT_POLICIES)
    with capture_logs() as logged:
        rule = load(file).series["pool_full"]
    assert (rule.take, rule.min_count) == ("max", 3)
    assert [(each["event"], each["log_level"], each["rule"], each["new"]) for each in logged] == [
        ("alerts.rules.renamed", "warning", "pool_full", 'take = "max"'), ("alerts.rules.renamed", "warning", "pool_full", "min_count")
    ]  # fmt: skip
    file.write_text(section("pool_full", old | {"min_count": "5"}) + section("half_gone", BUDGET))
    with pytest.raises(ConfigurationError, match=r"pool_full: .*remove least"):
        load(file)


def test_the_shipped_rule_about_policies() -> None:
    rules = load(SHIPPED).enabled_policies
    assert {name: (rule.severities, rule.policies, rule.post) for name, rule in rules.items()} == {"policy_broken": (("alert",), (), True)}
    rule = rules["policy_broken"]
    assert (rule.applies("no-force-push", "alert"), rule.applies("no-force-push", "nudge")) == (True, False)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('policy = "kept"', "told.policy"),
        ('policy = "broken"\nseverities = []', "told.severities"),
        ('policy = "broken"\nseverities = ["error"]', "told.severities.0"),
        ('policy = "broken"\npolicies = ["No Force"]', "told.policies.0"),
        ('policy = "broken"\nprojects = ["shop"]', "told.projects"),
    ],
)
def test_an_invalid_rule_about_policies_is_refused_by_name(tmp_path: Path, fields: str, said: str) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(f'[told]\nwhat = "W"\n{fields}\n')
    with pytest.raises(ConfigurationError, match=said):
        load(file)


def test_an_older_file_gets_the_shipped_rules_about_policies_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text('[spent]\nwhat = "W"\nbudget = "spent"\nshares = [50]\n')
    with capture_logs() as said:
        rules = load(file)
    assert (list(rules.policies), list(rules.budgets)) == (["policy_broken"], ["spent"])
    assert [each["event"] for each in said] == ["alerts.rules.no_policies"]
    file.write_text(file.read_text() + '[told]\nwhat = "W"\npolicy = "broken"\nenabled = false\n')
    with capture_logs() as said:
        assert load(file).enabled_policies == {}
    assert said == []
