"""Settings: three layers, and errors that name the field without showing a secret."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError
from structlog.testing import capture_logs

from app.budget.prices import Prices
from app.cli.settings_check import warn_of_old_settings
from app.errors import ConfigurationError
from app.inference.catalog import Catalog
from app.settings import (
    SECRET_FIELDS,
    SHIPPED,
    InferenceSettings,
    ProviderSettings,
    Settings,
    load,
    old_names,
    secret_of,
    unknown_variables,
    withdrawn_settings,
)
from app.settings.sections import ServerSettings


def test_the_shipped_file_says_what_the_code_defaults_to() -> None:
    shipped = tomllib.loads(SHIPPED.read_text())
    fields = Settings.model_fields
    del shipped["providers"]  # they stand in the file alone

    def same(defaults: object, values: dict[str, object], section: str) -> None:
        for name, value in values.items():
            default = getattr(defaults, name)
            if isinstance(value, dict) and not isinstance(default, dict):
                same(default, value, f"{section}.{name}")
            else:
                assert (list(default) if isinstance(value, list) else default) == (None if value == "off" else value), f"[{section}] {name}"

    for section, values in shipped.items():
        same(fields[section].default, values, section)


def test_the_environment_wins_over_a_custom_file_and_that_over_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    custom = tmp_path / "cairn.toml"
    custom.write_text("[server]\nport = 9000\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    monkeypatch.setenv("CAIRN_SERVER__PORT", "9001")
    settings = load()
    assert (settings.server.port, settings.server.host) == (9001, "127.0.0.2")
    assert settings.server.max_body_bytes == 2**20


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[server]\nport = 'x'", "server.port"),
        ("[server]\nprot = 1", "server.prot"),
        ("[server", "not valid TOML"),
        ("admin_key = 'abc'", "secrets come only from the environment"),
        ("[server]\ntrusted_proxies = ['10.0.0.1/8']", r"server.trusted_proxies: .*write 10\.0\.0\.0/8 for the network"),
        ("[server]\ntrusted_proxies = ['proxy.internal']", r"server.trusted_proxies: .*'proxy.internal' is no address .*10\.1\.2\.3"),
        ("[server]\ntrusted_proxies = ['*']", r"server.trusted_proxies: .*'\*' is no address .*172\.18\.0\.0/16"),
        ("[server]\ntrusted_proxies = ['::/0']", r"server.trusted_proxies: .*'::/0' would trust everybody"),
        ("[server]\ntrusted_proxies = 5", r"server.trusted_proxies: .*is no list of networks"),
        ("[server]\nmax_connections = 0", "server.max_connections"),
        ("[server]\nheader_timeout_seconds = 0", "server.header_timeout_seconds"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, says: str) -> None:
    custom = tmp_path / "cairn.toml"
    custom.write_text(content)
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    with pytest.raises(ConfigurationError, match=says):
        load()


def test_an_absent_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_CONFIG", "/nowhere/cairn.toml")
    with pytest.raises(ConfigurationError, match="can't be read"):
        load()


def test_no_secret_stands_in_an_error_or_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_ADMIN_KEY", "very-secret-indeed")
    monkeypatch.setenv("CAIRN_SERVER__PORT", "no")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "very-secret" not in str(caught.value)
    monkeypatch.delenv("CAIRN_SERVER__PORT")
    assert "very-secret" not in repr(load())


def test_a_limit_of_keys_is_a_number_or_off_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().limits.model_requests_a_minute is None
    monkeypatch.setenv("CAIRN_LIMITS__MODEL_REQUESTS_A_MINUTE", "600")
    monkeypatch.setenv("CAIRN_LIMITS__REQUESTS_A_MINUTE", "off")
    assert (load().limits.model_requests_a_minute, load().limits.requests_a_minute) == (600, None)
    for wrong in ("0", "-1", "many", "1.5"):
        monkeypatch.setenv("CAIRN_LIMITS__MODEL_TOKENS_A_MINUTE", wrong)
        with pytest.raises(ConfigurationError, match=r"limits\.model_tokens_a_minute"):
            load()


def test_the_teams_daily_tokens_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_BUDGET__TEAM_TOKENS_A_DAY", "off")
    assert load().budget.team_tokens_a_day is None


def test_a_webhook_that_is_no_address_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_BUDGET__WEBHOOK_URL", "hooks.example/T0/secret")
    with pytest.raises(ConfigurationError, match=r"budget\.webhook_url") as refused:
        load()
    assert "T0" not in str(refused.value)


def secrets_within(model: type[BaseModel], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        if "SecretStr" in str(field.annotation):
            found.add(prefix + name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= secrets_within(field.annotation, f"{prefix}{name}.")
    return found


def test_every_secret_setting_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secrets_within(Settings) == set(SECRET_FIELDS)
    for field in SECRET_FIELDS:
        file = tmp_path / field
        file.write_text(f"https://of-a-file/{field}\n")
        monkeypatch.setenv(f"CAIRN_{field.replace('.', '__').upper()}_FILE", str(file))
    monkeypatch.setenv("CAIRN_DATABASE__POOL_SIZE", "7")
    settings = load()
    for field in SECRET_FIELDS:
        found: object = settings
        for part in field.split("."):
            found = getattr(found, part)
        if isinstance(found, tuple):
            (found,) = found
        assert isinstance(found, SecretStr)
        assert found.get_secret_value() == f"https://of-a-file/{field}"
    assert settings.database.pool_size == 7
    assert unknown_variables() == []


def test_replicas_are_named_with_white_space_between_them_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ["postgresql://cairn:hunter22@one/cairn", "postgresql://cairn:hunter22@two/cairn"]
    monkeypatch.setenv("CAIRN_DATABASE__REPLICA_URLS", "  ".join(urls))
    assert [each.get_secret_value() for each in load().database.replica_urls] == urls
    assert "hunter22" not in repr(load())
    monkeypatch.delenv("CAIRN_DATABASE__REPLICA_URLS")
    (tmp_path / "urls").write_text("\n".join([*urls, ""]))
    monkeypatch.setenv("CAIRN_DATABASE__REPLICA_URLS_FILE", str(tmp_path / "urls"))
    assert [each.get_secret_value() for each in load().database.replica_urls] == urls
    monkeypatch.delenv("CAIRN_DATABASE__REPLICA_URLS_FILE")
    custom = tmp_path / "cairn.toml"
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    custom.write_text("[database]\nreplica_urls = ['postgresql://one/cairn', 'postgresql://cairn@two/cairn']\n")
    assert len(load().database.replica_urls) == 2
    custom.write_text(f"[database]\nreplica_urls = ['postgresql://one/cairn', '{urls[1]}']\n")
    with pytest.raises(ConfigurationError, match=r"holds database\.replica_urls") as refused:
        load()
    assert "hunter22" not in str(refused.value)


def test_a_lag_below_the_time_between_two_tests_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_DATABASE__REPLICA_MAX_LAG_SECONDS", "2")
    with pytest.raises(ConfigurationError, match="more than replica_test_seconds"):
        load()


def test_a_secret_file_stands_beside_an_empty_variable_and_not_beside_another_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("the-key-of-the-file")
    monkeypatch.setenv("CAIRN_ADMIN_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("CAIRN_ADMIN_KEY", "")
    key = load().admin_key
    assert key is not None
    assert key.get_secret_value() == "the-key-of-the-file"
    monkeypatch.setenv("CAIRN_ADMIN_KEY", "the-key-of-the-environment")
    with pytest.raises(ConfigurationError, match="CAIRN_ADMIN_KEY and CAIRN_ADMIN_KEY_FILE are both set") as refused:
        load()
    assert "the-key-of" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"CAIRN_DATABASE__URL_FILE=\S+/url can't be read: No such file"),
        (b" \n", r"CAIRN_DATABASE__URL_FILE=\S+/url is empty"),
        (b"\xff\xfe", r"CAIRN_DATABASE__URL_FILE=\S+/url is not a text file"),
    ],
)
def test_a_secret_file_that_cannot_be_used_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    monkeypatch.setenv("CAIRN_DATABASE__URL_FILE", str(tmp_path / "url"))
    with pytest.raises(ConfigurationError, match=says):
        load()


def test_what_is_no_secret_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "any").write_text("any")
    monkeypatch.setenv("CAIRN_LOG_FILE", str(tmp_path / "any"))
    assert unknown_variables() == ["CAIRN_LOG_FILE"]
    monkeypatch.setenv("CAIRN_QDRANT__URL_FILE", str(tmp_path / "any"))
    with pytest.raises(ConfigurationError, match=r"qdrant\.url_file"):
        load()


def test_a_providers_key_may_come_from_a_file_and_an_empty_one_leaves_it_out(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-of-the-file\n")
    assert secret_of("A_KEY", {"A_KEY_FILE": str(file)}) == "sk-of-the-file"
    assert secret_of("A_KEY", {"A_KEY": "sk-of-the-variable"}) == "sk-of-the-variable"
    assert secret_of("A_KEY", {}) is None
    provider = ProviderSettings(kind="openai", model="m", api_key_env="A_KEY", input_usd_per_mtok=1, output_usd_per_mtok=1)

    def standing(environment: dict[str, str]) -> tuple[str, str]:
        found = Catalog({"one": provider}, InferenceSettings(chain=("one",)), Prices({}), environment=environment).statuses[0]
        return found.readiness, found.detail

    assert standing({"A_KEY_FILE": str(file)})[0] == "ready"
    why, detail = standing({"A_KEY_FILE": str(tmp_path / "absent")})
    assert (why, "A_KEY_FILE" in detail) == ("unusable", True)
    why, detail = standing({"A_KEY_FILE": str(file), "A_KEY": "sk-of-the-variable"})
    assert (why, "sk-of" in detail) == ("unusable", False)
    file.write_text("\n")
    assert standing({"A_KEY_FILE": str(file)})[0] == "no_key"


@pytest.mark.parametrize("given", ["10.0.0.0/8 2001:DB8::/32", "10.0.0.0/8,2001:db8::/32", " 10.0.0.0/8,  2001:db8:0::/32 "])
def test_trusted_proxies_stand_in_a_variable_one_behind_the_other(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_SERVER__TRUSTED_PROXIES", given)
    assert [str(each) for each in load().server.trusted_proxies] == ["10.0.0.0/8", "2001:db8::/32"]


PROVIDER = {"issuer": "https://login.example.com", "client_id": "cairn"}


@pytest.mark.parametrize(
    ("openid", "server", "reason"),
    [
        ({"issuer": "http://login.example.com"}, {}, "https address"),
        ({"issuer": "https://login.example.com/?a=b"}, {}, "https address"),
        ({"issuer": "login.example.com"}, {}, "https address"),
        ({"issuer": "https://["}, {}, "https address"),
        ({"client_id": ""}, {}, "openid.issuer needs openid.client_id"),
        ({"scopes": "email"}, {}, "must include openid"),
        ({"create": True}, {}, "openid.create needs openid.domains"),
        ({"roles": {"admins": "admin"}}, {}, "openid.roles needs openid.role_claim"),
        ({"role_claim": "groups", "roles": {"admins": "king"}}, {}, "openid.roles.admins"),
        ({"role": "admin"}, {}, "openid.role"),
        ({"algorithms": "none"}, {}, "openid.algorithms"),
        ({"algorithms": ()}, {}, "openid.algorithms"),
        ({"algorithms": "HS256"}, {}, "an openid.client_secret of 32 bytes"),
        ({"algorithms": "HS256", "client_secret": "short"}, {}, "an openid.client_secret of 32 bytes"),
        ({}, {"public_url": None}, "openid.issuer needs server.public_url"),
        ({}, {"public_url": "http://cairn.example.com"}, "public_url with https"),
        ({}, {"public_url": "https://example.com/cairn"}, "without a path"),
        ({}, {"public_url": "cairn.example.com"}, "without a path"),
        ({}, {"public_url": "ftp://cairn.example.com"}, "without a path"),
    ],
)
def test_an_openid_provider_that_can_not_be_used_safely_is_refused(
    openid: dict[str, object], server: dict[str, object], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        load(openid=PROVIDER | openid, server={"public_url": "https://cairn.example.com"} | server)


def test_an_openid_provider_is_set_by_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"ISSUER": "https://login.example.com/", "CLIENT_ID": "cairn", "CLIENT_SECRET": "s3cret", "DOMAINS": "Example.com @example.org"}
    given |= {"ROLE_CLAIM": "groups", "ROLES": '{"cairn-admins": "admin"}'}
    for name, value in given.items():
        monkeypatch.setenv(f"CAIRN_OPENID__{name}", value)
    monkeypatch.setenv("CAIRN_SERVER__PUBLIC_URL", "https://Cairn.example.com/")
    found = load()
    assert (found.server.public_url, found.openid.issuer) == ("https://cairn.example.com", "https://login.example.com/")
    assert (found.openid.domains, found.openid.roles) == (("example.com", "example.org"), {"cairn-admins": "admin"})
    assert "s3cret" not in repr(found)


def test_a_provider_and_a_server_on_this_machine_need_no_https() -> None:
    found = load(openid=PROVIDER | {"issuer": "http://127.0.0.1:9400"}, server={"public_url": "http://localhost:8080"})
    assert found.openid.enabled


OLD_NAMES = [
    ("budget", "shrink_least_tokens", "shrink_min_tokens"),
    ("dashboard", "most_live", "max_live"),
]


def value_of(settings: Settings, section: str, name: str) -> object:
    found: object = settings
    for each in section.split("."):
        found = getattr(found, each)
    return getattr(found, name)


@pytest.mark.parametrize(("section", "old", "new"), OLD_NAMES)
def test_a_setting_is_read_under_its_older_name_too_and_the_operator_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, old: str, new: str
) -> None:
    shipped = value_of(load(), section, new)
    assert old_names() == []
    custom = tmp_path / "cairn.toml"
    custom.write_text(f"[{section}]\n{old} = 7\n")
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    assert value_of(load(), section, new) == 7 != shipped
    assert [str(each) for each in old_names()] == [
        f"{section}.{old} in {custom} is now called {new}: rename it. The older name is read by this version, and not by the next"
    ]
    variable = f"CAIRN_{section.replace('.', '__')}__".upper()
    monkeypatch.setenv(variable + old.upper(), "9")
    assert value_of(load(), section, new) == 9  # the environment wins, whatever the name
    assert [each.new for each in old_names()] == [variable + new.upper(), new]
    with capture_logs() as logged:
        warn_of_old_settings()
    assert [(each["event"], each["log_level"], each["old"]) for each in logged] == [
        ("settings.renamed", "warning", variable + old.upper()), ("settings.renamed", "warning", f"{section}.{old} in {custom}")
    ]  # fmt: skip


@pytest.mark.parametrize(("section", "old", "new"), OLD_NAMES)
def test_a_setting_that_is_set_under_both_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, old: str, new: str
) -> None:
    variable = f"CAIRN_{section.replace('.', '__')}__".upper()
    monkeypatch.setenv(variable + old.upper(), "9")
    monkeypatch.setenv(variable + new.upper(), "8")
    with pytest.raises(ConfigurationError, match=f"unset {variable}{old.upper()}"):
        load()
    monkeypatch.setenv(variable + old.upper(), "")
    assert value_of(load(), section, new) == 8
    custom = tmp_path / "cairn.toml"
    custom.write_text(f"[{section}]\n{old} = 7\n{new} = 6\n")
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    with pytest.raises(ConfigurationError, match=f"take {old} out"):
        load()


@pytest.mark.parametrize("setting", ["enabled = true", "remembered = 3", "least_seen = 2", "min_seen = 2", 'anything = "else"'])
def test_a_setting_of_a_withdrawn_section_is_ignored_and_the_operator_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    shipped = load().model_dump()
    assert withdrawn_settings() == []
    custom = tmp_path / "cairn.toml"
    custom.write_text(f"[cache.prefetch]\n{setting}\n")
    name, _, value = setting.partition(" = ")
    variable = f"CAIRN_CACHE__PREFETCH__{name.upper()}"
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    monkeypatch.setenv(variable, value)
    assert load().model_dump() == shipped
    advice = "has no effect: nothing is searched ahead any more. Take it out: this version ignores it, and the next refuses it"
    assert [str(each) for each in withdrawn_settings()] == [f"{variable} {advice}", f"[cache.prefetch] in {custom} {advice}"]
    assert old_names() == []
    with capture_logs() as logged:
        warn_of_old_settings()
    assert [(each["event"], each["log_level"], each["setting"]) for each in logged] == [
        ("settings.withdrawn", "warning", variable), ("settings.withdrawn", "warning", f"[cache.prefetch] in {custom}")
    ]  # fmt: skip


@pytest.mark.parametrize("variable", ["CAIRN_CACHE__PREFETCHED", "CAIRN_CACHE__PRE__FETCH"])
def test_a_setting_whose_name_only_begins_like_a_withdrawn_section_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    assert withdrawn_settings() == []
    with pytest.raises(ConfigurationError):
        load()


def test_a_section_that_is_no_table_is_refused_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    custom = tmp_path / "cairn.toml"
    custom.write_text("dashboard = 5\n")
    monkeypatch.setenv("CAIRN_CONFIG", str(custom))
    with pytest.raises(ConfigurationError, match="dashboard"):
        load()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://cairn.example.com:443", "https://cairn.example.com"),
        ("http://localhost:80/", "http://localhost"),
        (" HTTPS://Cairn.Example.com:0443 ", "https://cairn.example.com"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
        ("https://cairn.example.com:80", "https://cairn.example.com:80"),
        ("http://cairn.example.com:443", "http://cairn.example.com:443"),
        ("https://cairn.example.com:8443", "https://cairn.example.com:8443"),
    ],
)
def test_the_servers_address_has_no_port_that_its_scheme_has_anyway(given: str, found: str) -> None:
    assert ServerSettings(public_url=given).public_url == found


@pytest.mark.parametrize("given", ["https://cairn.example.com:0", "https://cairn.example.com:65536", "https://cairn.example.com:443:443"])
def test_an_address_with_a_port_that_there_is_not_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="must be scheme, host and port"):
        ServerSettings(public_url=given)


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", ()),
        (
            "https://App.example.com/ http://localhost:5173,https://app.example.com:443",
            ("https://app.example.com", "http://localhost:5173"),
        ),
        (["vscode-webview://0a1b", "http://[::1]:80"], ("vscode-webview://0a1b", "http://[::1]")),
    ],
)
def test_origins_are_read_as_browsers_write_them(given: object, origins: tuple[str, ...]) -> None:
    assert ServerSettings(cors_origins=given).cors_origins == origins  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["*", "https://*.example.com", "null", "example.com", "https://a.b/path", "https://", 7, ["https://a b"]])
def test_an_origin_that_is_none_or_stands_for_many_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="write origins"):
        ServerSettings(cors_origins=given)  # type: ignore[arg-type]
