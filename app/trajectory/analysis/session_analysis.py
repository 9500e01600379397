"""Analyses one session: feeds each event to the analyzers once, and keeps what they told. Its state can be stored and returned to. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import CairnError
from app.sessions.event import Event, ReplyUsage
from app.trajectory.analysis.exchanges import ExchangeReader, SessionExchange
from app.trajectory.analysis.findings import FindingBook, ToldFinding
from app.trajectory.analysis.step_blocks import StepBlock, StepPacker
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.events.normal import digest
from app.trajectory.events.steps import SessionStep, step_of
from app.trajectory.patterns.episodes import EpisodeReader, TroubleEpisode
from app.trajectory.policies.views import PolicyStanding
from app.trajectory.policies.watching import PolicyAnalyzer

ANALYSIS_VERSION = 2
"""Raise it whenever the same events would give other steps, exchanges, blocks or episodes: all sessions are then analysed again."""
MAX_STATE_BYTES = 256 * 1024
"""Compressed bytes of a stored state: an analyzer that needs more isn't bounded."""


class StateTooLarge(CairnError):
    """The analyzers' state has outgrown its bound."""

    code = "analysis_state_too_large"


@dataclass(frozen=True, slots=True)
class AnalysedPart:
    """The outcome of reading a stretch of a session. `upto`: the last seq read. `left_out`: findings beyond those that are stored.

    `standings`: the verdicts on the policies after `upto`.
    """

    upto: int
    findings: Sequence[ToldFinding]
    exchanges: Sequence[SessionExchange]
    blocks: Sequence[StepBlock]
    left_out: int
    episodes: Sequence[TroubleEpisode] = ()
    standings: Sequence[PolicyStanding] = ()


class SessionAnalysis:
    """The analysis of one session, from its beginning or from a stored state."""

    def __init__(self, analyzers: Sequence[Analyzer]) -> None:
        self._analyzers = analyzers
        self._policies = [each for each in analyzers if isinstance(each, PolicyAnalyzer)]
        self._book = FindingBook()
        self._exchanges = ExchangeReader()
        self._packer = StepPacker()
        self._episodes = EpisodeReader()
        self._ended: list[SessionExchange] = []
        self.seq = 0

    def add(self, seq: int, event: Event) -> None:
        """Read the next event."""
        self.add_step(step_of(seq, event), event.usage)

    def add_step(self, step: SessionStep, usage: ReplyUsage | None) -> None:
        """Take the next step, and what its reply used."""
        seq = step.seq
        self._book.pass_step(step)
        told = [finding for analyzer in self._analyzers for finding in analyzer.add(step)]
        for finding in told:
            self._book.tell(seq, finding)
        self._episodes.add(step, told, self._book.time_of)
        if (ended := self._exchanges.add(step, usage)) is not None:
            self._ended.append(ended)
        self._packer.add(step)
        self.seq = seq

    def read(self, numbered: Iterable[tuple[int, Event]], points: Collection[int]) -> dict[int, bytes]:
        """Read events in order; return the state after each of the seqs `points`."""
        return self.read_steps(((step_of(seq, event), event.usage) for seq, event in numbered), points)

    def read_steps(self, steps: Iterable[tuple[SessionStep, ReplyUsage | None]], points: Collection[int]) -> dict[int, bytes]:
        """Take steps in order, each with what its reply used; otherwise as `read`."""
        states = {}
        for step, usage in steps:
            self.add_step(step, usage)
            if step.seq in points:
                states[step.seq] = self.state()
        return states

    def take(self) -> AnalysedPart:
        """Return what was told since the last call."""
        ended, self._ended = self._ended, []
        current = self._exchanges.current
        exchanges = [*ended, *([] if current is None else [current])]
        standings = [each for policies in self._policies for each in policies.standings()]
        return AnalysedPart(
            self.seq, self._book.take(), exchanges, self._packer.take(), self._book.left_out, self._episodes.take(), standings
        )

    def state(self) -> bytes:
        """Return the state after the events so far, compressed. Raises StateTooLarge."""
        state = {
            "seq": self.seq,
            "book": self._book.snapshot(),
            "exchange": self._exchanges.snapshot(),
            "episodes": self._episodes.snapshot(),
            "analyzers": {each.name: each.snapshot() for each in self._analyzers},
        }
        packed = zlib.compress(json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), 1)
        if len(packed) > MAX_STATE_BYTES:
            sizes = {each.name: len(json.dumps(each.snapshot())) for each in self._analyzers}
            raise StateTooLarge(f"The analysis' state takes {len(packed):,} bytes after event {self.seq}: bound it. By analyzer: {sizes}.")
        return packed

    def restore(self, state: bytes, block: StepBlock | None) -> Sequence[ToldFinding]:
        """Go on from a state that the same analyzers gave, and the stored block that its last step is in.

        Returns the findings as they were told then: what was told of them later no longer counts.
        """
        told: dict[str, Any] = json.loads(zlib.decompress(state).decode("utf-8", "surrogatepass"))
        self.seq = told["seq"]
        self._book.restore(told["book"])
        self._exchanges.restore(told["exchange"])
        self._episodes.restore(told["episodes"])
        self._packer.resume(block, self.seq)
        for analyzer in self._analyzers:
            analyzer.restore(told["analyzers"][analyzer.name])
        return self._book.remembered()


def made_by(analyzers: Sequence[Analyzer]) -> str:
    """Name the code that an analysis comes from: states and findings of another are not gone on with."""
    versions = "\n".join(sorted(f"{each.name} {each.version}" for each in analyzers))
    return f"{ANALYSIS_VERSION}.{digest(versions):016x}"
