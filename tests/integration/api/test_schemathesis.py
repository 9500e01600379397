"""Every route against inputs made from its own OpenAPI page, good and bad: no 500, and every answer is one the page promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from app.main import create_app
from app.settings import Settings
from tests.fakes.models import models_folder
from tests.running import Running, running
from tests.waiting import PATIENCE_SECONDS

EXAMPLES = 20
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/x-ndjson")
def ndjson(context: object, value: object) -> bytes:
    """Lines as they are: good ones stand in the page's example, bad ones are made up."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def before_call(context: object, case: schemathesis.Case, kwargs: object) -> None:
    """Nobody waits here for a message that doesn't come."""
    if isinstance(case.query, dict) and isinstance(case.query.get("wait_seconds"), int | float):
        case.query["wait_seconds"] = min(case.query["wait_seconds"], 0.1)


# A stream of messages has no end to wait for.
schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi()).exclude(path="/v1/channels/{channel}/stream")


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    """A server of its own process: schemathesis asks synchronously."""
    folder = short_folder / "schemathesis"
    folder.mkdir()
    models_folder().mkdir(exist_ok=True)
    (folder / "models").symlink_to(models_folder())
    with running(folder) as started:
        yield started


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_route_keeps_what_its_page_promises(case: schemathesis.Case, server: Running) -> None:
    reply = case.call(base_url=server.url, headers={"authorization": f"Bearer {server.key}"}, timeout=PATIENCE_SECONDS)
    case.validate_response(reply, checks=CHECKS)
