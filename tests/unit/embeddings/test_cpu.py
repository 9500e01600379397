"""Which runs take all threads of the processor, and how OpenVINO's requests are made."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embeddings.cpu import Lane, are_questions, load
from app.embeddings.model import Model as ModelFiles
from app.embeddings.tokenizer import MAX_TOKENS
from app.embeddings.windows import PARTS
from app.settings import EmbeddingsSettings


@pytest.mark.parametrize(("texts", "tokens", "shared"), [(1, 20, False), (2, 20, True), (32, 64, True), (33, 20, False), (4, 65, False)])
def test_simultaneous_questions_share_one_thread(texts: int, tokens: int, shared: bool) -> None:
    assert are_questions(texts, tokens) is shared


def test_a_long_text_gets_all_threads() -> None:
    assert not are_questions(PARTS, MAX_TOKENS)


class FakeOpenVino:
    """What `cpu.load` uses of OpenVINO; records which requests were made and run."""

    def __init__(self) -> None:
        self.made: list[FakeRequest] = []
        self.settings: dict[str, str] = {}

    def Core(self) -> FakeOpenVino:
        return self

    def compile_model(self, graph: str, device: str, settings: dict[str, str]) -> FakeOpenVino:
        del graph, device
        self.settings = settings
        return self

    def create_infer_request(self) -> FakeRequest:
        self.made.append(FakeRequest())
        return self.made[-1]


@dataclass(slots=True)
class FakeRequest:
    runs: int = 0

    @property
    def data(self) -> NDArray[np.float32]:
        return np.zeros((1, 384), dtype=np.float32)

    def infer(self, inputs: dict[str, NDArray[np.int64]]) -> None:
        assert set(inputs) == {"ids", "mask"}
        self.runs += 1

    def get_output_tensor(self, place: int) -> FakeRequest:
        del place
        return self


@pytest.mark.parametrize(("lane", "requests"), [("batches", 3), ("questions", 1), ("slices", 1)])
def test_each_request_has_run_before_a_second_thread_may_use_one(
    lane: Lane, requests: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO's first runs, in two threads at once, wait for each other for ever."""
    fake = FakeOpenVino()
    monkeypatch.setitem(sys.modules, "openvino", fake)
    monkeypatch.setattr("app.embeddings.cpu.Tokenizer", lambda file: None)
    load(
        cast("ModelFiles", FakeModel(tmp_path)),
        EmbeddingsSettings(runtime="openvino", precision="bf16", threads=3),
        tmp_path / "compiled",
        lane=lane,
    )
    assert [each.runs for each in fake.made] == [1] * requests


@dataclass(frozen=True, slots=True)
class FakeModel:
    folder: Path

    @property
    def graph(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"
