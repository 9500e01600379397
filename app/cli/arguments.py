"""Arguments that commands of several modules take."""

from __future__ import annotations

from typing import Annotated

import typer

Developer = Annotated[str, typer.Argument(metavar="DEVELOPER", help="The developer's name.", show_default=False)]
