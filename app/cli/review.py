"""`cairn review`, `keep`, `retire` and `merge`: the items that a lead should look at, list by list, and what a lead does with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.output import AsJson
from app.cli.requests import path_segment, print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient


Name = Literal["new", "contradicted", "outdated", "never_used", "most_useful"]
"""As `knowledge.item.ReviewList`, whose import would slow every command; a test compares them."""
HEADINGS: dict[Name, str] = {
    "new": "New",
    "contradicted": "Contradicted",
    "outdated": "Out of date",
    "never_used": "Never used",
    "most_useful": "Most useful",
}
NOTHING = "There is nothing to review{}: {}."
NEXT = (
    "Done with one: cairn keep ID, cairn correct ID, cairn merge ID INTO, cairn retire ID. Of two that contradict: cairn decide ID OTHER."
)
ItemId = Annotated[
    str, typer.Argument(metavar="ID", help="The item's id, as `cairn review` and `cairn query` print it.", show_default=False)
]


def review(
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's items.")] = None,
    list_: Annotated[Name | None, typer.Option("--list", help="Only this list.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Maximum number of items of each list.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show which items to review: new, contradicted, out of date, never used, most useful. For leads and admins."""
    from app.cli.output import err, plain, print_json

    wanted = [list_] if list_ else [*HEADINGS]

    async def work(client: ServerClient) -> Json:
        found: Json = await client.get("/v1/knowledge/review", project=project)
        pages = {name: await client.get(f"/v1/knowledge/review/{name}", project=project, limit=limit) for name in wanted}
        return found | {"items": {name: page["items"] for name, page in pages.items()}}

    found = send_request(work)
    if as_json:
        print_json(found)
        return
    for name in wanted:
        _print_list(name, found["counts"][name], found["items"][name])
    if any(found["items"].values()):
        err.print(plain(NEXT, "dim"), soft_wrap=True)
    else:
        empty = f"the list {list_} is empty" if list_ else "all lists are empty"
        err.print(plain(NOTHING.format(f" in the project {project!r}" if project else "", empty)))


def keep(item_id: ItemId, as_json: AsJson = False) -> None:
    """Say that an item of knowledge is helpful and still valid; undoes what has it replaced, merged or retired. For leads and admins."""
    made = send_request(lambda client: client.post(f"/v1/knowledge/{path_segment(item_id)}/keep", {}))
    print_result(made, as_json, f"Kept in {made['project']}: {made['title']}")


def retire(item_id: ItemId, as_json: AsJson = False) -> None:
    """Hide an item of knowledge from searches, whatever others' verdicts. Nothing is deleted. For leads and admins."""
    made = send_request(lambda client: client.post(f"/v1/knowledge/{path_segment(item_id)}/retire", {}))
    print_result(made, as_json, f"Retired in {made['project']}: {made['title']}\nTo bring it back: cairn restore {made['id']}")


def merge(
    item_id: ItemId,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The item that is kept, of the same project.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Merge an item of knowledge into another one, which shows the evidence of both. For leads and admins."""
    made = send_request(lambda client: client.post(f"/v1/knowledge/{path_segment(item_id)}/merge", {"into": into}))
    print_result(made, as_json, f"Merged in {made['project']} into: {made['title']}\nTo undo it: cairn restore {item_id}")


def _print_list(name: Name, count: int, items: list[Json]) -> None:
    from app.cli.output import out, plain

    if not items:
        return
    out.print(plain(f"{HEADINGS[name]} ({count:,})", "bold"))
    for each in items:
        out.print(plain(f"   {each['title']}"), soft_wrap=True)
        out.print(plain(f"   ─ {each['type'].replace('_', ' ')} · {each['project']}{_why(each)} · {each['id']}", "cyan"), soft_wrap=True)
        for other in each["contradicts"]:
            out.print(plain(f"   ≠ “{other['own_words']}” can’t hold beside “{other['words']}” of {other['id']}", "yellow"), soft_wrap=True)
    out.print()


def _why(item: Json) -> str:
    """Say what people, sessions and the code say of an item."""
    from app.cli.query import FRESHNESS

    said = [f"{item['used']} used it"] if item["used"] else []
    said += [f"{item['feedback']['helpful']} found it helpful"] if item["feedback"]["helpful"] else []
    said += [FRESHNESS[item["freshness"]]] if item["freshness"] in FRESHNESS else []
    said += [f"replaced by {item['replaced_by']['id']}"] if item["replaced_by"] else []
    return "".join(f" · {each}" for each in said)
