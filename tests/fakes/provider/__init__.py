"""A fake LLM provider over a real socket, for tests and load tests: see `server.FakeProvider` and `faults.FaultName`."""

from tests.fakes.provider.answers import Prefill, full
from tests.fakes.provider.faults import NAMES, FaultName
from tests.fakes.provider.record import Asked
from tests.fakes.provider.refusals import Kind
from tests.fakes.provider.server import FakeProvider

__all__ = ["NAMES", "Asked", "FakeProvider", "FaultName", "Kind", "Prefill", "full"]
