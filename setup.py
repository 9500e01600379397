"""What pyproject.toml can't say of the build: a wheel has the files of SHIPPED within `app/`, where app/settings/shipped.py finds them."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("alembic.ini", "config", "examples", "migrations")


class BuildWithShippedFiles(build_py):
    """The step that collects the modules, and with them SHIPPED; an editable installation takes all of it from the repository."""

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)  # what was deleted since an earlier build must not reach the wheel
        super().run()
        bundled = Path(self.build_lib, "app", "bundled")
        bundled.mkdir()
        for name in SHIPPED:
            if Path(name).is_dir():
                shutil.copytree(name, bundled / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(name, bundled)


setup(cmdclass={"build_py": BuildWithShippedFiles})
