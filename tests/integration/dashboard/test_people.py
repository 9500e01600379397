"""People, keys and invitations in the dashboard: who sees and changes what, what a refused form says, and what a repeated one does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest

from tests.integration.api.conftest import Api, generic
from tests.integration.dashboard.conftest import Door, key_of
from tests.integration.dashboard.test_privacy import token_of
from tests.performance.page_checks import OVERFLOW
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import signed_in

ROLES = ("admin", "lead", "developer", "auditor")
NAMES = ("\u0645\u064a\u0643\u0644 \u0627\u0644\u0639\u0631\u0628\u064a", "\u674e\u5c0f\u9f8d", "W" * 90, "anna.b+ci@example.org")


@dataclass(frozen=True, slots=True)
class Sent:
    status: int
    place: str
    page: str


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in browser without scripts."""

    api: Api
    http: aiohttp.ClientSession

    async def see(self, path: str) -> Sent:
        async with self.http.get(self.api.url + path, allow_redirects=False) as reply:
            return Sent(reply.status, reply.headers.get("location", ""), await reply.text())

    async def send(self, path: str, *, once: str | None = None, **form: str) -> Sent:
        """Send a form with a good token; `once`: as it stood in the page, new unless said."""
        data = {"csrf": await token_of(self.api, self.http), "once": once or uuid4().hex, **form}
        async with self.http.post(self.api.url + path, data=data, allow_redirects=False) as reply:
            return Sent(reply.status, reply.headers.get("location", ""), await reply.text())


@asynccontextmanager
async def person(api: Api, key: str | None = None) -> AsyncIterator[Person]:
    async with signed_in(api, key or api.key) as http:
        yield Person(api, http)


async def made(api: Api, *, team: str = "default", role: str = "developer", name: str | None = None) -> str:
    name = name or f"p-{uuid4().hex[:10]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team, "role": role})).status == 201
    return name


async def new_team(api: Api) -> str:
    name = f"team-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/teams", json={"name": name})).status == 201
    return name


def secret_of(page: str) -> str:
    """The secret that a page shows once."""
    return re.search(r'<input id="secret"[^>]* value="([^"]+)"', page)[1]  # type: ignore[index]


async def test_an_admin_adds_somebody_who_is_then_on_the_list(api: Api) -> None:
    name, team = f"p-{uuid4().hex[:8]}", await new_team(api)
    async with person(api) as admin:
        sent = await admin.send(f"/dashboard/people?team={team}", name=name, team=team, role="lead", expires="", how="add")
        assert (sent.status, sent.place) == (303, f"/dashboard/people/{name}?done=added&team={team}")
        assert "Added. They need a key" in (await admin.see(sent.place)).page
        listed = (await admin.see(f"/dashboard/people?team={team}")).page
        assert listed.count(name) > 1
        assert "1 developer<" in listed
    found = (await api.ask("GET", "/v1/developers?order=newest")).json["developers"]
    assert [(each["team"], each["role"]) for each in found if each["name"] == name] == [(team, "lead")]


async def test_a_link_is_shown_once_opens_an_account_once_and_is_listed_until_it_is_revoked(api: Api) -> None:
    name, team, once = f"p-{uuid4().hex[:8]}", await new_team(api), uuid4().hex
    async with person(api) as admin:
        form = {"name": name, "team": team, "role": "auditor", "expires": "2d", "how": "invite"}
        sent = await admin.send(f"/dashboard/people?team={team}", once=once, **form)
        link = secret_of(sent.page)
        assert (sent.status, link.startswith(f"{api.url}/invite/")) == (201, True)
        again = await admin.send(f"/dashboard/people?team={team}", once=once, **form)
        assert (again.status, "was shown then, only once" in again.page, link in again.page) == (409, True, False)
        listed = (await admin.see(f"/dashboard/invitations?team={team}")).page
        (place,) = re.findall(r'action="(/dashboard/invitations/[^"]+)"', listed)
        assert name in listed
        assert link not in listed
        second = secret_of((await admin.send(f"/dashboard/people/{name}/invitations", expires="1h")).page)
        used = await api.ask("POST", "/v1/invitations/accept", key=None, json={"token": second.rsplit("/", 1)[1]})
        assert (used.status, used.json["role"]) == (201, "auditor")
        revoked = await admin.send(place)
        assert revoked.status == 303
        assert "its link no longer works" in (await admin.see(revoked.place)).page
        assert (await admin.send(place)).status == 404
        assert "No invitation is open" in (await admin.see(f"/dashboard/invitations?team={team}")).page
        assert {"used", "revoked"} <= set(
            re.findall(r'class="chip plain">(\w+)<', (await admin.see(f"/dashboard/invitations?team={team}&ended=1")).page)
        )
    refused = await api.ask("POST", "/v1/invitations/accept", key=None, json={"token": link.rsplit("/", 1)[1]})
    assert refused.status == 409


@pytest.mark.parametrize(
    ("form", "field", "said", "status"),
    [
        ({"name": "a\u2603b"}, "name", "name must be 1 to 100 letters", 422),
        ({"name": ""}, "name", "name must be 1 to 100 letters", 422),
        ({"name": "ada"}, "name", "exists already", 409),
        ({"role": "king"}, "role", "There is no such role", 422),
        ({"expires": "soon", "how": "invite"}, "expires", "which is not a time", 422),
        ({"expires": "200d", "how": "invite"}, "expires", "at most 90 days", 422),
        ({"expires": "2001-01-01", "how": "invite"}, "expires", "which is in the past", 422),
        ({"team": "no-such-team"}, "", "There is no team", 404),
        ({"name": "ada", "how": "invite", "role": "auditor"}, "role", "has the role developer already", 409),
    ],
)
async def test_a_refused_form_says_why_beside_its_field_and_keeps_what_was_typed(
    api: Api, form: dict[str, str], field: str, said: str, status: int
) -> None:
    typed = {"name": f"p-{uuid4().hex[:8]}", "team": "default", "role": "lead", "expires": "3d", "how": "add"} | form
    async with person(api) as admin:
        sent = await admin.send("/dashboard/people", **typed)
    assert (sent.status, said in sent.page) == (status, True), sent.page
    if field:
        at = sent.page.index(f'id="add-{field}-problem"')
        assert said in sent.page[at : at + 300]
        assert re.search(rf'id="add-{field}"[^>]*aria-invalid="true"', sent.page)
    for name in ("name", "expires"):
        assert f'name="{name}" value="{typed[name]}"' in sent.page
    if field != "role":
        assert ">lead</option>" in sent.page.split("<option selected")[-1] or "<option selected>lead</option>" in sent.page


async def test_a_form_that_is_sent_twice_has_its_effect_once(api: Api) -> None:
    name, once = f"p-{uuid4().hex[:8]}", uuid4().hex
    form = {"name": name, "team": "default", "role": "developer", "expires": "", "how": "add"}
    async with person(api) as admin:
        first, second = [await admin.send("/dashboard/people", once=once, **form) for _ in range(2)]
        assert (first.status, first.place) == (second.status, second.place) == (303, f"/dashboard/people/{name}?done=added")
        other = await admin.send("/dashboard/people", once=once, **form | {"name": f"{name}-2"})  # after going back
        assert other.status == 303
        key_once = uuid4().hex
        keys = [await admin.send(f"/dashboard/people/{name}/keys", once=key_once, name="ci", expires="") for _ in range(2)]
        assert [each.status for each in keys] == [201, 409]
        assert "revoke it below" in keys[1].page
    assert [each["name"] for each in (await api.ask("GET", f"/v1/keys?developer={name}")).json["keys"]] == ["ci"]


async def test_a_key_is_made_with_name_and_expiry_and_revoked_after_a_question(api: Api) -> None:
    name = await made(api)
    async with person(api) as admin:
        place = f"/dashboard/people/{name}"
        sent = await admin.send(f"{place}/keys", name="laptop", expires="90d")
        key = secret_of(sent.page)
        assert (await api.ask("GET", "/v1/me", key=key)).json["developer"] == name
        shown = (await admin.see(place)).page
        assert ("laptop" in shown, key in shown) == (True, False)
        taken = await admin.send(f"{place}/keys", name="laptop", expires="")
        assert (taken.status, "There is already an active key named" in taken.page, 'name="name" value="laptop"' in taken.page) == (
            409,
            True,
            True,
        )
        late = await admin.send(f"{place}/keys", name="x", expires="yesterday")
        assert (late.status, 'id="key-expires-problem"' in late.page) == (422, True)
        (question,) = set(re.findall(rf'href="({place}/keys/[^"]+/revoke)"', shown))
        asked = (await admin.see(question)).page
        assert "can't be undone" in asked.replace("&#39;", "'")
        assert (await api.ask("GET", "/v1/me", key=key)).status == 200
        assert (await admin.send(question)).status == 303
        assert (await api.ask("GET", "/v1/me", key=key)).status == 401
        assert (await admin.see(question)).status == 404
        assert (await admin.send(question)).status == 404


async def test_an_admin_gives_a_key_a_limit_and_models_and_changes_them(api: Api) -> None:
    name = await made(api)
    place = f"/dashboard/people/{name}"
    async with person(api) as admin:
        sent = await admin.send(f"{place}/keys", name="ci", expires="", monthly_limit_usd="2.50", models="auto, auto")
        assert sent.status == 201, sent.page
        (key,) = (await api.ask("GET", f"/v1/keys?developer={name}")).json["keys"]
        assert (key["monthly_limit_usd"], key["models"]) == (2.5, ["auto"])
        shown = (await admin.see(place)).page
        assert ("$2.50" in shown, "$0.00</data> spent" in shown) == (True, True)
        limits = f"{place}/keys/{key['id']}/limits"
        assert f'href="{limits}"' in shown
        assert 'value="2.50"' in (await admin.see(limits)).page
        for field, value, said in (
            ("monthly_limit_usd", "much", "The limit must be an amount in dollars"),
            ("monthly_limit_usd", "-1", "The limit must lie between 0"),
            ("models", "no-such-model", "there is no model"),
        ):
            for path, form in ((limits, "limits"), (f"{place}/keys", "key")):
                refused = await admin.send(path, **{"name": "x", "expires": "", "monthly_limit_usd": "", "models": "", field: value})
                assert (refused.status, f'id="{form}-{field}-problem"' in refused.page, said in refused.page) == (422, True, True)
        changed = await admin.send(limits, monthly_limit_usd="$3", models="")
        assert (changed.status, changed.place) == (303, f"{place}?done=key-changed")
        assert "The key is changed" in (await admin.see(changed.place)).page
        (key,) = (await api.ask("GET", f"/v1/keys?developer={name}")).json["keys"]
        assert (key["monthly_limit_usd"], key["models"]) == (3, None)
        other = await made(api)
        assert (await admin.send(f"/dashboard/people/{other}/keys/{key['id']}/limits", monthly_limit_usd="", models="")).status == 404
    async with person(api, await key_of(api, name)) as mine:
        assert (await mine.see(limits)).status == 403
        assert (await mine.send(limits, monthly_limit_usd="", models="")).status == 403


async def test_a_developer_sees_and_revokes_their_own_keys_and_no_more(api: Api) -> None:
    name, other = await made(api), await made(api)
    key, others = await key_of(api, name), (await api.ask("POST", f"/v1/developers/{other}/keys")).json
    second = (await api.ask("POST", f"/v1/developers/{name}/keys", json={"name": "second"})).json
    async with person(api, key) as mine:
        assert (await mine.see("/dashboard/people")).place == f"/dashboard/people/{name}"
        shown = (await mine.see(f"/dashboard/people/{name}")).page
        assert "second" in shown
        for control in ("Create a key", "Change the role", "Disable", "Remove", "Add somebody"):
            assert control not in shown
        assert (await mine.see(f"/dashboard/people/{other}")).status == 403
        assert (await mine.see(f"/dashboard/people/{other}/keys/{others['id']}/revoke")).status == 403
        assert (await mine.send(f"/dashboard/people/{other}/keys/{others['id']}/revoke")).status == 403
        assert (await mine.send(f"/dashboard/people/{name}/keys/{others['id']}/revoke")).status == 404
        assert (await mine.send(f"/dashboard/people/{name}/keys", name="more", expires="")).status == 403
        assert (await mine.send(f"/dashboard/people/{name}/role", role="admin")).status == 403
        assert (await mine.send(f"/dashboard/people/{name}/keys/{second['id']}/revoke")).status == 303
        assert (await api.ask("GET", "/v1/me", key=second["key"])).status == 401
        own = (await api.ask("GET", "/v1/keys", key=key)).json["keys"][0]["id"]
        assert "You are signed in with this key" in (await mine.see(f"/dashboard/people/{name}/keys/{own}/revoke")).page
        assert (await mine.send(f"/dashboard/people/{name}/keys/{own}/revoke")).status == 303
        assert (await mine.see("/dashboard/people")).place.startswith("/dashboard/sign-in")
    assert (await api.ask("GET", "/v1/me", key=others["key"])).status == 200


@pytest.mark.parametrize("role", ["lead", "auditor"])
async def test_a_lead_and_an_auditor_read_their_team_and_change_nothing(api: Api, role: str) -> None:
    team = await new_team(api)
    who, other, elsewhere = await made(api, team=team, role=role), await made(api, team=team), await made(api)
    async with person(api, await key_of(api, who)) as reader:
        listed = (await reader.see("/dashboard/people")).page
        assert (other in listed, elsewhere in listed, "Add somebody" in listed) == (True, False, False)
        shown = await reader.see(f"/dashboard/people/{other}")
        assert (shown.status, "Create a key" in shown.page, 'id="keys"' in shown.page) == (200, False, False)
        assert (await reader.see(f"/dashboard/people/{elsewhere}")).status == 404
        for path in ("invitations", f"people/{other}/remove"):
            assert (await reader.see(f"/dashboard/{path}")).status == 403, path
        forms = {
            "people": {"name": "x", "team": team, "role": "admin", "expires": "", "how": "add"},
            f"people/{other}/role": {"role": "admin"},
            f"people/{other}/state": {"state": "disabled"},
            f"people/{other}/keys": {"name": "", "expires": ""},
            f"people/{other}/invitations": {"expires": "1d"},
            f"people/{other}/remove": {"sessions": "keep", "typed": ""},
            f"invitations/{uuid4()}/revoke": {},
        }
        for path, form in forms.items():
            assert (await reader.send(f"/dashboard/{path}", **form)).status == 403, path
        assert (await reader.see(f"/dashboard/people/{other}/sessions.ndjson")).status == 403
    found = {each["name"]: each for each in (await api.ask("GET", "/v1/developers?order=newest")).json["developers"]}
    assert (found[other]["role"], found[other]["disabled_at"], found[other]["keys"]) == ("developer", None, 0)


async def test_a_role_and_a_state_are_changed_and_obeyed_at_once(api: Api) -> None:
    name = await made(api)
    key = await key_of(api, name)
    async with person(api) as admin, person(api, key) as they:
        place = f"/dashboard/people/{name}"
        assert (await they.see("/dashboard/team")).status == 403
        assert (await admin.send(f"{place}/role", role="lead")).place == f"{place}?done=role"
        assert (await they.see("/dashboard/team")).status == 200
        assert (await admin.send(f"{place}/role", role="king")).status == 422
        assert (await admin.send(f"{place}/state", state="asleep")).status == 422
        assert (await admin.send(f"{place}/state", state="disabled")).status == 303
        assert (await they.see("/dashboard/team")).place.startswith("/dashboard/sign-in")
        disabled = (await admin.see(place)).page
        assert ("Create a key" in disabled, ">Enable<" in disabled) == (False, True)
        refused = await admin.send(f"{place}/keys", name="", expires="")
        assert (refused.status, "is disabled" in refused.page) == (409, True)
        assert (await admin.send(f"{place}/state", state="enabled")).status == 303
        assert (await api.ask("GET", "/v1/me", key=key)).json["role"] == "lead"
        for path in ("role", "state", "keys", "invitations", "remove"):
            sent = await admin.send(f"/dashboard/people/nobody-here/{path}", role="lead", state="enabled", sessions="keep", typed="")
            assert sent.status == 404, path


async def test_a_removal_says_what_happens_and_erases_only_by_the_typed_name(api: Api) -> None:
    name = await made(api)
    key = await key_of(api, name)
    sent = await api.ask(
        "POST", "/v1/sessions?name=x.jsonl&project=till", key=key, data=generic((uuid4().hex, "user", "The till is blue."))
    )
    await api.finished(sent.json["job_id"])
    async with person(api) as admin:
        place = f"/dashboard/people/{name}/remove"
        asked = (await admin.see(place)).page
        assert "Their 1 session<" in asked
        exported = (await admin.see(f"/dashboard/people/{name}/sessions.ndjson")).page.splitlines()
        assert ('"end"' in exported[-1], any("The till is blue." in line for line in exported)) == (True, True)
        for form, said in (
            ({"sessions": "erase", "typed": ""}, "type the name exactly"),
            ({"sessions": "erase", "typed": name.upper()}, "type the name exactly"),
            ({"sessions": "both", "typed": name}, "keep or erase"),
        ):
            refused = await admin.send(place, **form)
            assert (refused.status, said in refused.page) == (422, True)
        assert (await api.ask("GET", "/v1/me", key=key)).status == 200
        once = uuid4().hex
        first, second = [await admin.send(place, once=once, sessions="erase", typed=name) for _ in range(2)]
        assert (first.status, first.place) == (second.status, second.place)
        removed = (await admin.see(first.place)).page
        assert ("A job erases their sessions" in removed, "Create a key" in removed, "removed" in removed) == (True, False, True)
        assert (await admin.see(f"/dashboard/people/{name}")).status == 404
        gone = first.place.split("?")[0]
        assert (await admin.see(f"{gone}/remove")).status == 404
        assert (await admin.send(f"{gone}/role", role="lead")).status == 409
        assert name in (await admin.see(f"/dashboard/people?state=removed&q={name}")).page
    assert (await api.ask("GET", "/v1/me", key=key)).status == 401


async def test_the_list_is_searched_and_read_page_by_page(api: Api) -> None:
    team = await new_team(api)
    for number in range(61):
        await api.services.accounts.create_developer(f"{team}-{number:03}", team=team, role="lead" if number % 10 == 0 else "developer")
    for each in NAMES:
        await api.services.accounts.create_developer(f"{each[:80]}{team}"[:100], team=team)
    await api.ask("PATCH", f"/v1/developers/{team}-005", json={"disabled": True})
    async with person(api) as admin:
        seen: list[str] = []
        place = f"/dashboard/people?team={team}"
        while place:
            page = (await admin.see(place)).page
            assert "65 developers" in page
            assert len(page.encode()) < 150_000
            seen += re.findall(r'<th scope="row"><a href="/dashboard/people/([^"?]+)', page)
            further = re.search(r'id="further" href="([^"]+)"', page)
            place = further[1].replace("&amp;", "&") if further else ""
        assert (len(seen), len(set(seen))) == (65, 65)

        async def names(query: str) -> list[str]:
            found = (await admin.see(f"/dashboard/people?team={team}&{query}")).page
            return re.findall(r'<th scope="row"><a href="/dashboard/people/([^"?]+)', found)

        assert len(await names("role=lead")) == 7
        assert await names("state=disabled") == [f"{team}-005"]
        assert await names(f"q={team.upper()}-01&role=lead") == [f"{team}-010"]
        assert await names("q=%25") == await names("q=_0_") == await names("state=removed") == []
        assert len(await names("q=%E6%9D%8E")) == 1
        for query, said in (("role=king", "There is no role"), ("state=ill", "There is no state"), ("q=zzz", "Nobody matches")):
            assert said in (await admin.see(f"/dashboard/people?team={team}&{query}")).page
        for query in ("after=%00%ff", "after=zzzzz", "q=%00", "q=%ED%A0%80", "before=1"):
            assert (await admin.see(f"/dashboard/people?team={team}&{query}")).status == 200
        assert "not valid" in (await admin.see("/dashboard/invitations?before=x")).page
        assert "not valid" in (await admin.see(f"/dashboard/people/{team}-000?before=x")).page


async def test_an_empty_team_is_told_what_to_do_first(api: Api) -> None:
    team = await new_team(api)
    async with person(api) as admin:
        assert f"cairn developers invite NAME --team {team}" in (await admin.see(f"/dashboard/people?team={team}")).page
        assert "No invitation is open" in (await admin.see(f"/dashboard/invitations?team={team}")).page


async def test_a_form_without_its_token_or_of_another_site_changes_nothing(api: Api) -> None:
    name = await made(api)
    async with signed_in(api, api.key) as http:
        for path, form in (
            ("role", {"role": "admin"}),
            ("keys", {"name": "", "expires": ""}),
            ("remove", {"sessions": "keep", "typed": ""}),
        ):
            url = f"{api.url}/dashboard/people/{name}/{path}"
            async with http.post(url, data=form | {"once": "1"}) as reply:
                assert reply.status == 403, path
            good = form | {"once": "1", "csrf": await token_of(api, http)}
            async with http.post(url, data=good, headers={"origin": "https://evil.example"}) as reply:
                assert reply.status == 403, path
            async with http.post(url, data={name: value for name, value in good.items() if name != "once"} | {"role": "king"}) as reply:
                assert reply.status == 422, path
    assert (await api.ask("GET", "/v1/developers?order=newest")).text.count(f'"{name}"') == 1


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
async def test_people_work_in_a_browser_and_names_of_any_script_break_no_page(door: Door, width: int) -> None:
    team = await new_team(door.api)
    for each in NAMES:
        await door.api.services.accounts.create_developer(f"{each[:80]} {team}"[:100], team=team)
    async with door.visit(door.api.key, width=width) as visit:
        page = visit.page
        await visit.go(f"/dashboard/people?team={team}")
        assert not await page.evaluate(OVERFLOW)
        found = await violations(page, "people")
        await page.click("summary:has-text('Add somebody')")
        await page.fill("#add-name", "new " + team)
        await page.click("button:text-is('Invite by a link')")
        await page.wait_for_selector("#secret")
        assert await page.evaluate("() => document.activeElement.id") == "secret-card"
        assert not await page.evaluate(OVERFLOW)
        assert (await page.input_value("#secret")).startswith(f"{door.api.url}/invite/")
        found += await violations(page, "invited")
        await page.fill("#key-expires", "never again")
        await page.click("button:text-is('Create a key')")
        await page.wait_for_selector("#key-expires-problem")
        visit.said.clear()  # the browser logs the 422 that was asked for
        assert await page.evaluate("() => document.activeElement.id") == "key-expires"
        found += await violations(page, "refused")
        for link in ("Remove…",):
            await page.click(f"a:text-is('{link}')")
            found += await violations(page, link)
            assert not await page.evaluate(OVERFLOW)
        await visit.go(f"/dashboard/invitations?team={team}")
        found += await violations(page, "invitations")
        assert not await page.evaluate(OVERFLOW)
        await visit.shot(f"people-{width}")
    assert not found, "\n".join(found)
