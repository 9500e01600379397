"""The file of rules: what ships is valid and covers what was promised; a bad file says which rule and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.alerts.rules import load
from app.errors import ConfigurationError
from app.settings import Settings

GOOD = {
    "what": '"slow"', "series": '"inference.seconds"', "take": '"p95"', "above": "2.0", "clear": "1.5",
}  # fmt: skip


def test_the_shipped_rules_are_those_that_were_asked_for() -> None:
    rules = load(Settings().alerts.rules).enabled
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
def test_a_rule_that_cannot_be_meant_is_refused_by_name(tmp_path: Path, change: dict[str, str | None], said: str) -> None:
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
