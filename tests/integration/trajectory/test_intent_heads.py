"""Heads of teams as they are stored: one of other code is none."""

from __future__ import annotations

import numpy as np
import pytest

from app.trajectory.intent.classifier import shipped
from app.trajectory.intent.features import feature_names
from app.trajectory.intent.kinds import INTENTS
from app.trajectory.intent.store import IntentStore
from app.trajectory.intent.team_head import HeadTrial
from tests.integration.trajectory.conftest import TrajectoryBench

ROWS = shipped().vectors.shape[1] + len(feature_names()) + 1


@pytest.mark.parametrize(("rows", "used"), [(ROWS, True), (ROWS - 1, False), (ROWS + 7, False), (0, False)])
async def test_a_head_of_code_that_read_other_features_is_not_used(bench: TrajectoryBench, rows: int, used: bool) -> None:
    store = IntentStore(bench.database)
    head = np.ones((rows, len(INTENTS)))
    await store.save_trial(bench.team_id, HeadTrial(head, corrections=9, members=2, before=0.1, after=0.9, harm=0.0, reason="Better."))
    found = await store.load_head(bench.team_id)
    assert (found is not None) == used
    assert found is None or found.shape == head.shape
