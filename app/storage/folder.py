"""The data folder of one machine: private (0700), and where in it each embedded part lives. Knows no domain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class DataFolder:
    path: Path

    @classmethod
    def open(cls, path: Path) -> DataFolder:
        """Make the folder if it is absent. ConfigurationError when it can't be made or written."""
        path = path.expanduser().resolve()
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {path} can't be written: {error.strerror}. Set CAIRN_DATA_DIR to a folder of yours."
            ) from error
        return cls(path)

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def vectors(self) -> Path:
        return self.path / "vectors"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def announcement(self) -> Path:
        """Where `cairn serve` says how to reach it: {"url", "pid"}."""
        return self.path / "server.json"
