"""What people install: wheel, source archive, and one executable file, each until the main job is done."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from pathlib import Path

import pytest
import requests
from packaging.requirements import Requirement

from bulksend.portal.renewal_process import RENEW
from tests.processes import environment, read_results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SAMPLES = ROOT / "samples"
MINUTES = 60
"""Seconds."""

pytestmark = pytest.mark.timeout(15 * MINUTES)


def run(*command: object, cwd: Path, **changes: str) -> str:
    """Run a command that must succeed, with nothing of the tests' own environment; what it says on standard output."""
    kept = environment(cwd / "home", changes)
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        kept.pop(name, None)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def does_the_main_job(program: Path, folder: Path) -> None:
    """Rehearses a campaign, uses a file that ships with it, and shows the page."""
    assert run(program, "--version", cwd=folder).startswith("bulksend ")
    shutil.copy(SAMPLES / "campaign.csv", folder)
    run(program, "send", "campaign.csv", "--portal", "sandbox", "--yes", cwd=folder)
    assert {row["status"] for row in read_results(folder / "campaign.results.csv")} == {"sent"}
    assert "campaign.csv" in run(program, "runs", cwd=folder)
    run(program, "template", "blank.xlsx", cwd=folder)
    check = ("check", SAMPLES / "reminders.csv", "--message-file", "payment-reminder.en.txt")
    run(program, *check, cwd=folder)
    page = subprocess.Popen(
        [program, "web", "--no-open"],
        cwd=folder,
        env=environment(folder / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert page.stdout is not None
        answer = requests.get(page.stdout.readline().strip(), timeout=30)
        assert answer.status_code == 200
        assert "campaign.csv" in answer.text
    finally:
        page.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        page.communicate(timeout=30)


def test_the_locked_versions_are_of_what_is_declared() -> None:
    """`tests/constraints.txt` has one version for each library that is named, within its bounds."""
    lines = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    locked = {name.lower(): version for name, version in (line.split(" ")[0].split("==") for line in lines)}
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(one for extra in extras.values() for one in extra)]:
        wanted = Requirement(text)
        version = locked.get(wanted.name.lower(), "0")
        assert wanted.specifier.contains(version), f"{text}: run uv pip compile as CONTRIBUTING says"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive; the wheel is made from the archive."""
    if shutil.which("uv", path=_path()) is None:
        pytest.skip("needs uv: pip install '.[packages]'")
    folder = tmp_path_factory.mktemp("built")
    run(_tool("uv"), "build", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    return folder


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def _tool(name: str) -> str:
    return shutil.which(name, path=_path()) or name


def _wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.mark.packages
def test_pipx(built: Path, tmp_path: Path) -> None:
    """Installs the wheel into an empty environment."""
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    run(_tool("pipx"), "install", "--quiet", "--python", sys.executable, _wheel(built), cwd=tmp_path, **places)
    does_the_main_job(tmp_path / "bin" / "bulksend", tmp_path)


@pytest.mark.packages
def test_uv_tool(built: Path, tmp_path: Path) -> None:
    """Does likewise."""
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    run(_tool("uv"), "tool", "install", "--quiet", "--python", sys.executable, _wheel(built), cwd=tmp_path, **places)
    does_the_main_job(tmp_path / "bin" / "bulksend", tmp_path)


@pytest.mark.packages
@pytest.mark.skipif(sys.platform == "win32", reason="the command is one of a Unix shell")
def test_the_readmes_first_command(built: Path, tmp_path: Path) -> None:
    """Works as it is written, in the unpacked source archive."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("bulksend-*")
    command = re.search(r"<!-- the first command -->\n```bash\n(.*)\n```", README)
    assert command is not None
    run("bash", "-c", command[1], cwd=folder)
    assert {row["status"] for row in read_results(folder / "samples" / "campaign.results.csv")} == {"sent"}


@pytest.mark.packages
@pytest.mark.timeout(45 * MINUTES)
def test_one_executable_file(tmp_path: Path) -> None:
    """Made by PyInstaller, it needs no Python and no other file."""
    if shutil.which("pyinstaller", path=_path()) is None:
        pytest.skip("needs pyinstaller: pip install '.[packages]'")
    made = ("--noconfirm", "--log-level", "ERROR", "--workpath", tmp_path / "build", "--distpath", tmp_path / "dist")
    quick = {"PYINSTALLER_ZLIB_COMPRESSION_LEVEL": "1"}  # a file that nobody keeps may be a little larger
    run(_tool("pyinstaller"), *made, ROOT / ".ci" / "bulksend.spec", cwd=tmp_path, **quick)
    program = tmp_path / "dist" / ("bulksend.exe" if sys.platform == "win32" else "bulksend")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(program, alone)
    began = time.monotonic()
    run(alone / program.name, "--help", cwd=alone)
    print(f"{program.stat().st_size / 1e6:.0f} MB, --help after {time.monotonic() - began:.1f} s")
    assert "pandas" in run(alone / program.name, "--version", "--verbose", cwd=alone)
    assert run(alone / program.name, RENEW, alone / "home", "nobody", cwd=alone) == "{}"
    does_the_main_job(alone / program.name, alone)
