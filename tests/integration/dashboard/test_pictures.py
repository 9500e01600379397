"""Pictures of every page, kept as artifacts; and the README's, with `make pictures`."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.conftest import ROOT
from tests.integration.dashboard.conftest import Door, key_of

pytestmark = pytest.mark.long


async def test_every_page_has_its_picture_by_day_by_night_and_on_a_phone(door: Door) -> None:
    key = await key_of(door.api, "ada")
    for look, options in {
        "": {},
        "-dark": {"dark": True},
        "-360": {"width": 360, "height": 780},
        "-4k": {"width": 3840, "height": 2160},
    }.items():
        async with door.visit(**options) as visit:
            await visit.go("/dashboard/sign-in")
            await visit.shot(f"sign-in{look}")
        async with door.visit(key, **options) as visit:
            await visit.shot(f"my-budget{look}")
        async with door.visit(door.api.key, **options) as visit:
            await visit.shot(f"team{look}")
            for page in (
                "spend",
                "calls",
                "now",
                "developers/elif",
                "people",
                "people/elif",
                "projects",
                "knowledge",
                "knowledge?q=why+did+we+pick+NATS+over+Kafka",
                "system",
            ):
                await visit.go(f"/dashboard/{page}")
                await visit.shot(page.replace("?q=why+did+we+pick+NATS+over+Kafka", "-answer").replace("/", "-") + look)
    async with door.visit(key, width=1180, height=960) as visit:
        made = await visit.shot("readme", whole=False)
    if os.environ.get("KEEP_PICTURES"):  # `make pictures`: else every run of the tests would change the tree
        shutil.copyfile(made, ROOT / "docs" / "images" / "dashboard.png")
