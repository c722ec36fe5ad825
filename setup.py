"""What pyproject.toml cannot say: a wheel carries the workflow, in the places that it has in a clone."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithWorkflow(build_py):  # type: ignore[misc]
    """Copy Snakefile, workflow and profiles into the package; an editable install finds them beside it."""

    def run(self) -> None:
        """Build the package and what it carries."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "surrogate", "pipeline")
            shutil.rmtree(target, ignore_errors=True)
            for folder in ("workflow", "profiles"):
                shutil.copytree(folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy("Snakefile", target)


setup(cmdclass={"build_py": BuildWithWorkflow})
