"""docker-compose.yml, Dockerfile and deploy/: what Compose takes, what Cairn knows, and no secret in any of them. No Docker engine is needed."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app import settings as config
from app.settings import ROOT, unknown_variables

Json = dict[str, Any]
COMPOSE = ROOT / "docker-compose.yml"
MOUNTED = "/run/secrets/"
ONCE = {"migrate"}
"""Runs to its end before the others start."""
OURS = ("server", "worker", "migrate")
MAX_OF_EACH = 4
"""Servers, and workers, that PostgreSQL's connections are to be enough for."""

NAME: Json = {"type": "string", "pattern": "^[a-zA-Z0-9._-]+$"}
DURATION: Json = {"type": "string", "pattern": r"^(\d+(us|ms|s|m|h))+$"}
BYTES: Json = {"type": "string", "pattern": r"^\d+[kKmMgG][bB]?$"}
WORDS: Json = {"type": "array", "minItems": 1, "items": {"type": "string"}}
ENVIRONMENT: Json = {"type": "object", "additionalProperties": {"type": "string"}}


def closed(required: list[str], **properties: Json) -> Json:
    """An object of these properties and no others: a slip of the pen is no silent default."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


FILES: Json = {
    "type": "object",
    "propertyNames": NAME,
    "additionalProperties": closed(["file"], file={"type": "string", "pattern": r"^\./"}),
}
HEALTH: Json = {
    "oneOf": [
        closed(
            ["test", "interval", "timeout", "retries", "start_period"],
            test={**WORDS, "minItems": 2, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}]},
            interval=DURATION,
            timeout=DURATION,
            retries={"type": "integer", "minimum": 1},
            start_period=DURATION,
        ),
        closed(["disable"], disable={"const": True}),
    ]
}
LIMITS = closed(["cpus", "memory"], cpus={"type": "string", "pattern": r"^\d+(\.\d+)?$"}, memory=BYTES)
SERVICE = closed(
    ["image", "restart", "security_opt", "logging", "healthcheck", "networks", "deploy"],
    image={"type": "string", "pattern": r"^[a-z0-9./-]+:([\w.-]+|\$\{TAG:-\w+\})$"},
    build=closed(["context"], context={"const": "."}, args=ENVIRONMENT),
    command=WORDS,
    environment=ENVIRONMENT,
    secrets={"type": "array", "items": NAME, "uniqueItems": True},
    configs={"type": "array", "items": closed(["source", "target"], source=NAME, target={"type": "string", "pattern": "^/"})},
    networks={"type": "array", "items": NAME, "minItems": 1},
    ports={"type": "array", "items": {"type": "string", "pattern": r"^\d+:\d+$"}},
    volumes={"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+:/[^:]+$"}},
    shm_size=BYTES,
    depends_on={
        "type": "object",
        "additionalProperties": closed(["condition"], condition={"enum": ["service_healthy", "service_completed_successfully"]}),
    },
    healthcheck=HEALTH,
    restart={"enum": ["unless-stopped", "no"]},
    stop_grace_period=DURATION,
    security_opt={"type": "array", "contains": {"const": "no-new-privileges:true"}},
    cap_drop={"const": ["ALL"]},
    cap_add={"const": ["NET_BIND_SERVICE"]},
    logging=closed(["driver", "options"], driver={"const": "json-file"}, options={"type": "object", "required": ["max-size", "max-file"]}),
    deploy=closed(["resources"], replicas={"type": "integer", "minimum": 1}, resources=closed(["limits"], limits=LIMITS)),
)
SCHEMA: Json = {
    **closed(
        ["name", "services", "networks", "volumes", "secrets"],
        name=NAME,
        services={"type": "object", "propertyNames": NAME, "additionalProperties": SERVICE},
        networks={"type": "object", "additionalProperties": closed([], internal={"type": "boolean"})},
        volumes={"type": "object", "additionalProperties": closed([])},
        configs=FILES,
        secrets=FILES,
    ),
    "patternProperties": {"^x-": {}},
}


@pytest.fixture(scope="module")
def compose() -> Json:
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_it_is_what_compose_takes(compose: Json) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(compose)


@pytest.mark.parametrize(
    ("service", "field", "value"),
    [
        ("server", "healthcheck", {"test": "curl -f http://127.0.0.1"}),
        ("server", "restrat", "always"),
        ("redis", "image", "redis"),
        ("worker", "deploy", {"replicas": 2}),
        ("worker", "depends_on", {"postgres": {"condition": "service_helthy"}}),
        ("postgres", "environment", {"POSTGRES_DB": None}),
    ],
)
def test_the_schema_sees_a_slip_of_the_pen(compose: Json, service: str, field: str, value: object) -> None:
    broken = compose | {"services": compose["services"] | {service: compose["services"][service] | {field: value}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_every_service_is_watched_and_comes_back_unless_it_runs_once(compose: Json) -> None:
    for name, service in compose["services"].items():
        once = name in ONCE
        assert service["restart"] == ("no" if once else "unless-stopped"), name
        assert ("disable" in service["healthcheck"]) == once, name


def test_names_lead_somewhere(compose: Json) -> None:
    services = compose["services"]
    used: dict[str, set[str]] = {"networks": set(), "volumes": set(), "configs": set(), "secrets": set()}
    for service in services.values():
        assert service.get("depends_on", {}).keys() <= services.keys()
        used["networks"].update(service["networks"])
        used["volumes"].update(each.partition(":")[0] for each in service.get("volumes", []))
        used["configs"].update(each["source"] for each in service.get("configs", []))
        used["secrets"].update(service.get("secrets", []))
    for kind, names in used.items():
        assert names == compose[kind].keys(), kind
    for config_file in compose["configs"].values():
        assert (ROOT / config_file["file"]).is_file()


def test_servers_and_workers_wait_for_the_schema_and_the_proxy_for_servers(compose: Json) -> None:
    services = compose["services"]
    for name in ("server", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["depends_on"]["postgres"] == {"condition": "service_healthy"}
        assert services[name]["deploy"]["replicas"] >= 2
    assert services["migrate"]["command"] == ["cairn", "db", "upgrade"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["proxy"]["depends_on"] == {"server": {"condition": "service_healthy"}}


def test_only_the_proxy_can_be_reached_and_the_stores_reach_nothing(compose: Json) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"proxy"}
    assert compose["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "qdrant", "redis"):
        assert services[name]["networks"] == ["inside"], name


def test_images_are_pinned(compose: Json) -> None:
    for name, service in compose["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert tag != "latest", name
        assert tag[0].isdigit() or tag[0] == "v" or name in OURS, name
    client = re.search(r"^qdrant-client==(\d+\.\d+)\.", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert client is not None
    assert compose["services"]["qdrant"]["image"].startswith(f"qdrant/qdrant:v{client[1]}.")
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert compose["services"]["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]  # since 18; its parent until 17


def test_every_variable_of_ours_is_a_setting(compose: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("postgresql://cairn:a@postgres/cairn")
    for name in OURS:
        with monkeypatch.context() as patched:
            for variable, value in compose["services"][name]["environment"].items():
                if variable.startswith("CAIRN_"):
                    patched.setenv(variable, str(tmp_path / "secret") if variable.endswith("_FILE") else value)
            patched.setenv("CAIRN_CONFIG", str(ROOT / "deploy" / "cairn.toml"))
            settings = config.load()
            assert unknown_variables() == [], name
        assert not settings.embedded
        assert settings.server.host == "0.0.0.0"
        assert (settings.qdrant.url is not None) == (name != "migrate")


def test_every_provider_of_the_defaults_takes_its_key_from_a_file(compose: Json) -> None:
    wanted = {f"{each.api_key_env}_FILE" for each in config.load().providers.values() if each.api_key_env}
    given = {name for name in compose["services"]["server"]["environment"] if not name.startswith("CAIRN_")}
    assert given == wanted


def test_a_secret_that_is_named_is_mounted_and_made_and_none_is_written_down(compose: Json) -> None:
    for name, service in compose["services"].items():
        granted = set(service.get("secrets", []))
        words = " ".join([*service.get("command", []), *service.get("environment", {}).values()])
        assert set(re.findall(rf"{MOUNTED}([\w.]+)", words)) == granted, name
        for variable, value in service.get("environment", {}).items():
            secret = re.search(r"KEY|PASSWORD|SECRET|TOKEN|WEBHOOK|DATABASE__URL|REDIS__URL", variable)
            assert not secret or (variable.endswith("_FILE") and value.startswith(MOUNTED)), variable
    for file in (COMPOSE, ROOT / "Dockerfile", *(each for each in (ROOT / "deploy").iterdir() if each.is_file())):
        assert not re.search(r"://[^\s/%$]*:[^\s/%$]+@|requirepass [A-Za-z0-9]|sk-[A-Za-z0-9]", file.read_text()), file


def test_the_secrets_that_are_mounted_are_made_once_and_are_closed_to_others(compose: Json, tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "secrets.sh"
    script.parent.mkdir()
    script.write_text((ROOT / "deploy" / "secrets.sh").read_text())
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    folder = script.parent / "secrets"
    made = {each.name: each.read_text() for each in folder.iterdir()}
    assert {f"./deploy/secrets/{name}" for name in made} >= {each["file"] for each in compose["secrets"].values()}
    assert folder.stat().st_mode & 0o077 == 0
    assert all(each.stat().st_mode & 0o004 for each in folder.iterdir())  # a container's own user reads them
    assert len(made["admin_key"]) >= 24
    assert made["database_url"] == f"postgresql://cairn:{made['postgres_password']}@postgres:5432/cairn"
    assert made["redis_url"] == f"redis://:{made['redis_password']}@redis:6379/0"
    assert yaml.safe_load(made["qdrant.yaml"]) == {"service": {"api_key": made["qdrant_api_key"]}}
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    assert {each.name: each.read_text() for each in folder.iterdir()} == made
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_connections_are_enough_for_more_servers_and_workers(compose: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_CONFIG", str(ROOT / "deploy" / "cairn.toml"))
    settings = config.load()
    own = 3  # of each process: holds, their ends, and what other processes say is to be forgotten
    of_server = settings.database.pool_size + settings.database.max_overflow + own
    of_worker = 2 * settings.worker.pool_size + own
    given = re.search(r"max_connections=(\d+)", " ".join(compose["services"]["postgres"]["command"]))
    assert given is not None
    assert MAX_OF_EACH * (of_server + of_worker) + 10 <= int(given[1])


def test_redis_keeps_the_messages_that_wait_in_it(compose: Json) -> None:
    redis = compose["services"]["redis"]
    words = redis["command"]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert given["--appendonly"] == "yes"
    assert given["--maxmemory-policy"] == "noeviction"
    assert redis["volumes"] == ["redis:/data"]
    assert int(given["--maxmemory"].removesuffix("mb")) * 2 <= 1024  # its limit: a rewrite of the log copies what changes meanwhile
    assert redis["deploy"]["resources"]["limits"]["memory"] == "1G"


def test_health_checks_written_in_python_are_python(compose: Json) -> None:
    checked = [each["healthcheck"]["test"] for each in compose["services"].values() if "python" in each["healthcheck"].get("test", [])]
    assert len(checked) == 2
    for check in checked:
        compile(check[-1], "health check", "exec")


def test_the_proxy_hands_streams_on_as_they_come(compose: Json) -> None:
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    lines = {line.strip() for line in text.splitlines() if not line.strip().startswith("#")}
    assert {"flush_interval -1", "keepalive off"} <= lines
    assert not [
        line for line in lines if re.match(r"(request|response)_buffers|encode|response_header_timeout|read_timeout|write_timeout", line)
    ]
    assert {"name server", f"port {config.Settings().server.port}"} <= lines
    assert "server" in compose["services"]
    assert text.count("{") == text.count("}")


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_pinned_small_and_runs_as_nobody_in_particular() -> None:
    found = instructions()
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    last = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    final = found[last + 1 :]
    assert [rest for name, rest in final if name == "USER"] == ["10001"]
    assert any(name == "HEALTHCHECK" for name, _ in final)
    assert not any("pip install" in rest for name, rest in final)
    assert not [rest for name, rest in final if name == "COPY" and "/opt/export" in rest]
    assert next(rest for name, rest in final if name == "CMD").startswith('["cairn", "serve"')
    assert not [rest for name, rest in found if name in {"ENV", "ARG"} and re.search(r"(KEY|PASSWORD|SECRET|TOKEN)", rest)]


def test_the_image_is_made_of_what_is_there_and_of_what_docker_is_let_to_see() -> None:
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for name, rest in instructions():
        words = [word for word in shlex.split(rest) if not word.startswith("--chown")]
        if name == "COPY" and not words[0].startswith("--from"):
            copied.update(words[:-1])
    assert all((ROOT / each).exists() for each in copied)
    assert {each.split("/")[0] for each in copied} == seen


def programs() -> list[tuple[str, str]]:
    """Return what files that are no Python import from `app` or run of it: (file, name)."""
    files = [ROOT / "Dockerfile", COMPOSE, ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "deploy").iterdir()]
    files += [*(ROOT / "docs" / "how-to").glob("*.md"), *(ROOT / "plugins").rglob("*.json")]
    found = []
    for file in files:
        text = file.read_text() if file.is_file() else ""
        for module, names in re.findall(r"from (app[\w.]*) import (\w+(?:, *\w+)*)", text):
            found += [(file.name, f"{module}.{name.strip()}") for name in names.split(",")]
        found += [(file.name, module) for module in re.findall(r"-m (app[\w.]*\w)", text)]
    return found


def test_what_the_images_and_pages_programs_name_exists() -> None:
    assert any(file == "Dockerfile" for file, _ in programs())
    missing = []
    for file, name in programs():
        module, _, last = name.rpartition(".")
        if importlib.util.find_spec(name if module in {"", "app"} else module) is None or (
            module not in {"", "app"} and not hasattr(importlib.import_module(module), last) and importlib.util.find_spec(name) is None
        ):
            missing.append((file, name))
    assert missing == []
