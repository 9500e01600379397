"""System's figures: of each chart as a table and as a file, for admins."""

from __future__ import annotations

import csv
import io

import pytest

from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import key_of
from tests.integration.dashboard.test_items import page
from tests.signing_in import signed_in

SYSTEM = "/dashboard/system"


@pytest.mark.parametrize(("chart", "columns"), [("search-seconds", ["p50 ms", "p95 ms", "p99 ms"]), ("load", ["CPU %", "memory %"])])
async def test_a_chart_has_a_table_and_a_file_of_the_same_figures(api: Api, chart: str, columns: list[str]) -> None:
    async with signed_in(api, api.key) as http:
        assert f'href="{SYSTEM}/{chart}?span=day"' in (await page(http, api, SYSTEM))[1]
        _, shown = await page(http, api, f"{SYSTEM}/{chart}?span=day")
        status, whole = await page(http, api, f"{SYSTEM}/{chart}.csv?span=day")
    rows = list(csv.DictReader(io.StringIO(whole)))
    assert (status, list(rows[0])) == (200, ["from", *columns])
    assert shown.count("<tr><th") == len(rows) + 1
    assert sum(bool(row[columns[0]]) for row in rows) > 100


async def test_system_itself_carries_no_table_of_its_charts(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        _, shown = await page(http, api, SYSTEM)
    assert len(shown) < 60_000
    assert shown.count('data-axis="axis"') == shown.count("<canvas") == 8


async def test_a_chart_that_is_not_there_a_span_that_is_none_and_a_developer_are_told_so(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        for path in (f"{SYSTEM}/nothing", f"{SYSTEM}/nothing.csv"):
            status, shown = await page(http, api, path)
            assert (status, "no such chart" in shown) == (404, True), path
        status, shown = await page(http, api, f"{SYSTEM}/load?span=century")
        assert (status, "the last day" in shown) == (200, True)
    async with signed_in(api, await key_of(api, "amir")) as http:
        for path in (f"{SYSTEM}/load", f"{SYSTEM}/load.csv"):
            status, shown = await page(http, api, path)
            assert (status, "Admins only" in shown) == (403, True), path
