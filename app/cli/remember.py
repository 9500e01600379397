"""`cairn remember`, `correct`, `forget`, `restore` and `decide`: record, correct and delete knowledge by hand, and say what holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import path_segment, print_result, send_request
from app.errors import InvalidInput

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient


ID_HELP = "The item's id, as `cairn remember` and `cairn query` print it."


class Type(StrEnum):
    """Types of knowledge, as `knowledge.item.KNOWLEDGE_TYPES`, whose import would load half of the server."""

    coding_pattern = "coding_pattern"
    architectural_decision = "architectural_decision"
    bug_solution = "bug_solution"
    implementation_strategy = "implementation_strategy"
    tool_usage = "tool_usage"
    optimization = "optimization"
    integration_pattern = "integration_pattern"
    refactoring = "refactoring"
    testing_strategy = "testing_strategy"
    deployment_approach = "deployment_approach"
    gotcha = "gotcha"
    abstract_concept = "abstract_concept"


def remember(
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="The knowledge, worded so that it can be understood without its context.", show_default=False),
    ],
    *,
    type: Annotated[Type, typer.Option("--type", "-t", help="Type of knowledge.")] = Type.gotcha,  # noqa: A002 - the option's name
    title: Annotated[
        str | None, typer.Option(help="One line with the subject and what was learnt. Default: the first sentence of the text.")
    ] = None,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Project of the item. Default: the current repository.")] = None,
    path: Annotated[list[str] | None, typer.Option(help="A file that the item is about; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Record an item of knowledge by hand. It ranks higher than what was learnt from sessions."""
    where = project or project_here()
    body = {"type": type.value, "title": title, "text": text, "project": where, "paths": path or None}
    made = send_request(lambda client: client.post("/v1/knowledge", {name: value for name, value in body.items() if value is not None}))
    words = f"Recorded in {made['project']}: {made['title']}\nTo take it back: cairn forget {made['id']}"
    print_result(made, as_json, words)


def correct(
    item_id: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP, show_default=False)],
    *,
    text: Annotated[str | None, typer.Option(help="The new text, worded so that it can be understood without its context.")] = None,
    title: Annotated[str | None, typer.Option(help="The new title: one line with the subject and what was learnt.")] = None,
    type: Annotated[Type | None, typer.Option("--type", "-t", help="Type of knowledge.")] = None,  # noqa: A002 - the option's name
    path: Annotated[
        list[str] | None, typer.Option(help="A file that the item is about; replaces the files named so far; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Correct an item of knowledge. The correction stays, even if the session is read again."""
    given = {"text": text, "title": title, "type": type and type.value, "paths": path or None}
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise InvalidInput("No correction was given: add --text, --title, --type or --path.", param="text")
    made = send_request(lambda client: client.patch(f"/v1/knowledge/{path_segment(item_id)}", body))
    print_result(made, as_json, f"Corrected in {made['project']}: {made['title']}")


def forget(
    item_id: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP, show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Delete an item of knowledge permanently. It stays deleted, even if its session is read again."""

    async def work(client: ServerClient) -> Json:
        return await client.delete(f"/v1/knowledge/{path_segment(item_id)}")

    send_request(work)
    print_result({"forgotten": item_id}, as_json, f"Item {item_id} is deleted.")


def restore(
    item_id: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP, show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Undo that an item of knowledge was replaced or merged, for good; for leads and admins, also that it was retired."""
    made = send_request(lambda client: client.post(f"/v1/knowledge/{path_segment(item_id)}/restore", {}))
    print_result(made, as_json, f"Restored in {made['project']}: {made['title']}")


def decide(
    item_id: Annotated[str, typer.Argument(metavar="ID", help="The item that holds.", show_default=False)],
    other_id: Annotated[str, typer.Argument(metavar="OTHER", help="The item that contradicts it.", show_default=False)],
    *,
    both: Annotated[bool, typer.Option("--both", help="Both hold: neither replaces the other.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was decided between the two.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide between two items of knowledge that contradict each other: the first holds and replaces the other, or both hold.

    `cairn contradictions` lists them.
    """
    path = f"/v1/knowledge/{path_segment(item_id)}/contradictions/{path_segment(other_id)}"
    if both and undo:
        raise InvalidInput("Both --both and --undo were given: choose one.", param="undo")
    decision = "undecided" if undo else "both_hold" if both else "this_holds"
    made = send_request(lambda client: client.post(path, {"decision": decision}))
    told = {"undecided": "Undecided again", "both_hold": "Both hold", "this_holds": "Holds, and replaces the other one"}[decision]
    print_result(made, as_json, f"{told}: {made['title']} (project {made['project']})")


def project_here() -> str:
    """Return the project of this folder, as `project_of` does."""
    return project_of(Path.cwd())


def project_of(folder: Path) -> str:
    """Return the project of a folder: the one that `.cairn.toml` names, else its repository's. Raises InvalidInput where neither is."""
    from app.accounts.identity import of_repository
    from app.cli.git_files import read_checkout
    from app.cli.place import read_place_or_private

    place, _ = read_place_or_private(folder)
    identity = of_repository(place.repository) if place.repository else None
    name = place.project or (identity.name if identity else place.name if read_checkout(folder.resolve()) else "")
    if not name:
        raise InvalidInput("This folder is not in a repository: name the project with --project.", param="project")
    return name
