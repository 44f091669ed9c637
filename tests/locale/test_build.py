"""What is installed has the compiled catalogues, however it is built."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILED = "bulksend/locale/ru/LC_MESSAGES/bulksend.mo"


def _build(project: Path, kind: str, to: Path) -> Path:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(to)], cwd=project, check=True)
    [built] = to.iterdir()
    return built


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the sources as git has them: without a compiled catalogue."""
    copy = tmp_path / "project"
    shutil.copytree(ROOT / "bulksend", copy / "bulksend", ignore=shutil.ignore_patterns("*.mo", "__pycache__"))
    shutil.copytree(ROOT / "templates", copy / "templates")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    return copy


def test_a_wheel_has_them_from_a_checkout_and_from_an_sdist(project: Path, tmp_path: Path) -> None:
    """And it speaks Russian; what only a build or a translator needs is not in it."""
    sdist = _build(project, "sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    for source, name in ((project, "first"), (unpacked, "second")):
        wheel = zipfile.ZipFile(_build(source, "wheel", tmp_path / name))
        names = set(wheel.namelist())
        assert COMPILED in names
        assert not {each for each in names if each.endswith(("build_hook.py", ".po"))}
        wheel.extractall(tmp_path / name / "installed")
        code = "from bulksend.locale import _, use_language\nwith use_language('ru'): print(ascii(_('Usage:')))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(tmp_path / name / "installed")},
            cwd=tmp_path,
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
        assert done.stdout.strip() == ascii("Использование:")
