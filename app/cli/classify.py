"""`cairn classify`: tells what a prompt wants."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import send_request


def classify(
    text: Annotated[str, typer.Argument(metavar="PROMPT", help="What a person asks an agent; - reads it from standard input.")],
    *,
    context: Annotated[
        str, typer.Option(help="The end of the agent's reply before it: what a prompt such as “yes, do that” agrees to.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Tell what a prompt wants. That is one of eight intents, with the runner-up, how sure it is, and why. Nothing is stored.

    \b
    learning       an explanation or advice about a technology
    exploration    facts about this code base, or options weighed
    debugging      a symptom, its cause or its fix
    feature-dev    behaviour, configuration or infrastructure, added or changed
    refactoring    structure, names, types, duplication
    testing        checks: written, run, reviewed
    optimization   time, cost, size
    documentation  docs, comments, diagrams, rules, reports

    A search can be narrowed by these: cairn query QUESTION --intent debugging
    """
    from app.cli.output import out, plain, print_json

    said = sys.stdin.read() if text == "-" else text
    body = {"text": said, "context": context} if context else {"text": said}
    told = send_request(lambda client: client.post("/v1/classify", body))
    if as_json:
        print_json(told)
        return
    for number, each in enumerate(told["intents"]):
        out.print(plain(f"{each['intent']}  {each['confidence']:.0%}", "dim" if number else "bold"))
    if told["because"]:
        out.print(plain(told["because"]), soft_wrap=True)
