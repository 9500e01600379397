"""Typed, frozen settings: environment (`CAIRN_…`, `__` for nesting) over `CAIRN_CONFIG` over `config/cairn.toml`.

Secrets come only from the environment, or from the file that `NAME_FILE` names (or, embedded, from files of mode 0600 in the data folder).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from app.errors import ConfigurationError
from app.settings.agents import CliSettings, HooksSettings, McpSettings
from app.settings.caches import (
    CacheSettings,
    CacheSizeSettings,
    CompletionsCacheSettings,
    EmbeddingsCacheSettings,
    EvictionPolicy,
    KeysCacheSettings,
    PrewarmSettings,
    QueriesCacheSettings,
    SemanticCacheSettings,
)
from app.settings.distillation import DistillationSettings
from app.settings.freshness import FreshnessSettings
from app.settings.inference import BreakerSettings, InferenceSettings, PriceTierSettings, ProviderSettings, TimeoutSettings
from app.settings.openid import OpenIdSettings, is_trusted_scheme
from app.settings.pipeline import EmbeddingsSettings, KnowledgeSettings, SessionsSettings, VectorsSettings, WorkerSettings
from app.settings.policies import PoliciesSettings
from app.settings.renamed import old_names, update_environment, update_file, withdrawn_settings
from app.settings.sections import (
    AlertsSettings,
    BudgetSettings,
    DashboardSettings,
    DatabaseSettings,
    DiskSettings,
    LimitsSettings,
    LogSettings,
    MessagesSettings,
    QdrantSettings,
    RedisSettings,
    Section,
    ServerSettings,
    TelemetrySettings,
)
from app.settings.shipped import ROOT

__all__ = [
    "ROOT",
    "SECRET_FIELDS",
    "SHIPPED",
    "AlertsSettings",
    "BreakerSettings",
    "BudgetSettings",
    "CacheSettings",
    "CacheSizeSettings",
    "CliSettings",
    "CompletionsCacheSettings",
    "DashboardSettings",
    "DatabaseSettings",
    "DiskSettings",
    "DistillationSettings",
    "EmbeddingsCacheSettings",
    "EmbeddingsSettings",
    "EvictionPolicy",
    "FreshnessSettings",
    "HooksSettings",
    "InferenceSettings",
    "KeysCacheSettings",
    "KnowledgeSettings",
    "LimitsSettings",
    "LogSettings",
    "McpSettings",
    "MessagesSettings",
    "OpenIdSettings",
    "PrewarmSettings",
    "PriceTierSettings",
    "ProviderSettings",
    "QdrantSettings",
    "QueriesCacheSettings",
    "RedisSettings",
    "Section",
    "SemanticCacheSettings",
    "ServerSettings",
    "SessionsSettings",
    "Settings",
    "TelemetrySettings",
    "TimeoutSettings",
    "VectorsSettings",
    "WorkerSettings",
    "load",
    "old_names",
    "read_files",
    "secret_of",
    "unknown_variables",
    "withdrawn_settings",
]

SHIPPED = ROOT / "config" / "cairn.toml"
SECRET_FIELDS = (
    *("admin_key", "secret_key", "scrape_key", "qdrant.api_key", "database.url", "database.replica_urls", "redis.url"),
    *("budget.webhook_url", "alerts.webhook_url", "telemetry.otlp_headers", "openid.client_secret", "freshness.webhook_secret"),
)


class _File(TomlConfigSettingsSource):
    """A file of settings, renamed to their present names before it is merged with the files below it."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return update_file(super()._read_file(file_path), str(file_path))


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CAIRN_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cairn",
        description="folder for everything that Cairn stores on this machine: the embedded servers' data, generated keys, models",
    )
    admin_key: SecretStr | None = Field(
        None,
        description=(
            "the administrator's key, at least 24 ASCII characters; required in server mode; in embedded mode it is generated at the "
            "first start"
        ),
    )
    secret_key: SecretStr | None = Field(
        None,
        description=(
            "secret with which API keys are hashed: changing it invalidates all of them; required in server mode; in embedded mode "
            "it is generated at the first start"
        ),
    )
    scrape_key: SecretStr | None = Field(None, description="key that may read /metrics and nothing else; the admin key may read it too")
    server: ServerSettings = ServerSettings()
    disk: DiskSettings = DiskSettings()
    database: DatabaseSettings = DatabaseSettings()
    qdrant: QdrantSettings = QdrantSettings()
    redis: RedisSettings = RedisSettings()
    vectors: VectorsSettings = VectorsSettings()
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    sessions: SessionsSettings = SessionsSettings()
    worker: WorkerSettings = WorkerSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    distillation: DistillationSettings = DistillationSettings()
    freshness: FreshnessSettings = FreshnessSettings()
    policies: PoliciesSettings = PoliciesSettings()
    hooks: HooksSettings = HooksSettings()
    budget: BudgetSettings = BudgetSettings()
    alerts: AlertsSettings = AlertsSettings()
    providers: dict[str, ProviderSettings] = Field({}, description="model providers by name, one section [providers.NAME] each")
    inference: InferenceSettings = InferenceSettings()
    cache: CacheSettings = CacheSettings()
    messages: MessagesSettings = MessagesSettings()
    limits: LimitsSettings = LimitsSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    dashboard: DashboardSettings = DashboardSettings()
    openid: OpenIdSettings = OpenIdSettings()
    mcp: McpSettings = McpSettings()
    log: LogSettings = LogSettings()
    cli: CliSettings = CliSettings()

    @model_validator(mode="after")
    def _check_openid(self) -> Self:
        """Refuse a redirect address that a request's own headers would decide: codes would go where its sender says."""
        if self.openid.enabled and self.server.public_url is None:
            raise ValueError("openid.issuer needs server.public_url, the address under which people reach this server")
        if self.openid.enabled and not is_trusted_scheme(self.server.public_url or ""):
            raise ValueError("openid.issuer needs a server.public_url with https; http only on this machine")
        return self

    @cached_property
    def embedded(self) -> bool:
        """True if Cairn runs its own PostgreSQL, and so owns this machine's data folder."""
        return self.database.url is None

    @property
    def webhook(self) -> str | None:
        """The URL that all alerts are posted to; None: none is set."""
        found = self.alerts.webhook_url or self.budget.webhook_url
        return None if found is None else found.get_secret_value()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = [SHIPPED]
        if custom := os.environ.get("CAIRN_CONFIG"):
            files.append(Path(custom))
        if isinstance(env_settings, EnvSettingsSource):
            environment = _with_files(env_settings.env_vars)
            update_environment(environment)
            env_settings.env_vars = environment
        return init_settings, env_settings, _File(settings_cls, toml_file=files, deep_merge=True)


def load(**overrides: Any) -> Settings:
    """Read the settings. Raises ConfigurationError, which names the field and never shows a secret's value."""
    custom = os.environ.get("CAIRN_CONFIG")
    if custom:
        _check_file(Path(custom))
    try:
        return Settings(**overrides)
    except SettingsError as error:
        raise ConfigurationError(f"Settings can't be read: {error}. Sections are set field by field: CAIRN_SERVER__PORT=8080.") from None
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        raise ConfigurationError(
            "Settings can't be used: " + "; ".join(lines) + ". Check the CAIRN_… variables and the configuration file."
        ) from None


def secret_of(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return a variable's secret: its value, or the content of the file that `NAME_FILE` names, without the white space around it.

    None: neither is set. Raises ConfigurationError if both are, or the file can't be read. An empty file is an empty secret.
    """
    return _secret(name, environment.get(name), environment.get(f"{name}_FILE"))


def read_files() -> list[Path]:
    """Return the files that a server's settings and behaviour were read from: a change of one needs another start."""
    named = [Path(value) for name, value in os.environ.items() if value and (name == "CAIRN_CONFIG" or _names_file(name))]
    pulled = ROOT / ".git" / "logs" / "HEAD"  # a pull into a clone changes the code, and no version
    return sorted({*SHIPPED.parent.glob("*.*"), *(each.absolute() for each in named), *([pulled] if pulled.exists() else [])})


def _names_file(variable: str) -> bool:
    return variable.startswith("CAIRN_") and variable.endswith("_FILE")


def unknown_variables() -> list[str]:
    """Return the names of `CAIRN_…` variables that set nothing: misspelt, or of another version."""
    own = {"CONFIG", "KEY", "URL", "OWNED", "EVAL_DATA"}
    known = own | {name.upper() for name in Settings.model_fields} | {f"{name.upper()}_FILE" for name in SECRET_FIELDS}
    given = (name for name in os.environ if name.startswith("CAIRN_"))
    return sorted(name for name in given if name.removeprefix("CAIRN_").split("__")[0].upper() not in known)


def _with_files(environment: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the environment (names in lower case), each secret's file replaced by the secret it holds."""
    found = dict(environment)
    for field in SECRET_FIELDS:
        name = f"CAIRN_{field.replace('.', '__').upper()}"
        file = found.pop(f"{name}_FILE".lower(), None)
        secret = _secret(name, found.get(name.lower()), file)
        if secret == "":
            raise ConfigurationError(f"{name}_FILE={file} is empty: write the secret into it, or unset the variable.")
        if secret is not None:
            found[name.lower()] = secret
    return found


def _secret(name: str, value: str | None, file: str | None) -> str | None:
    if not file:
        return value
    if value:
        raise ConfigurationError(f"{name} and {name}_FILE are both set: unset one of them.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{name}_FILE={file} can't be read: {error.strerror}. It must be there, and readable by the user who runs Cairn."
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}_FILE={file} is not a text file: it must hold the secret and nothing else.") from None


def _check_file(path: Path) -> None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"CAIRN_CONFIG={path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"CAIRN_CONFIG={path} is not valid TOML: {error}.") from error
    if found := [name for name in SECRET_FIELDS if _holds_secret(content, name)]:
        raise ConfigurationError(
            f"{path} holds {', '.join(found)}: secrets come only from the environment (CAIRN_ADMIN_KEY, CAIRN_ADMIN_KEY_FILE …)."
        )


def _holds_secret(content: dict[str, Any], name: str) -> bool:
    """Tell whether a file sets a secret. A URL is one only if it contains a password."""
    section, _, field = name.rpartition(".")
    holder = content.get(section, {}) if section else content
    found = holder.get(field) if isinstance(holder, dict) else None
    if field not in {"url", "replica_urls"}:
        return found is not None
    urls = found if isinstance(found, list) else [] if found is None else str(found).split()
    return any("@" in str(url) and ":" in str(url).partition("@")[0].partition("://")[2] for url in urls)
