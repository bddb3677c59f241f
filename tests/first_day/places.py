"""Where things stand, and how a program is run."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BAD = HERE / "bad"
PROVISIONING = ROOT / "provisioning"
DASHBOARDS = sorted((PROVISIONING / "dashboards").glob("*.json"))
RULES = PROVISIONING / "alerting" / "rules.yaml"
WIKI = PROVISIONING / "examples" / "wiki"


def headwater() -> Path:
    """The plugin's binary: HEADWATER_BIN, or a cargo build."""
    named = os.environ.get("HEADWATER_BIN")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    binary = Path(named) if named else target / "debug" / "gpx_headwater"
    assert binary.exists(), f"{binary} is not built: cargo build --bin gpx_headwater"
    return binary


def program(name: str) -> str:
    """Where a program is. Missing ones fail; .ci/packages brings them."""
    found = shutil.which(name)
    assert found, f"{name} is missing; as root on Debian `go run mage.go tools` installs it"
    return found


def run(*arguments: object, directory: Path = ROOT, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=directory,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
        **options,
    )


def tracked(*patterns: str) -> list[Path]:
    """The repository's files that match, without those that are wrong on purpose."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.splitlines()
    return sorted(ROOT / name for name in listed if "/bad/" not in name and (ROOT / name).exists())
