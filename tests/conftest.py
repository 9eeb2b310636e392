"""What all tests share: the mirror of real images, which is not part of the repository."""

from pathlib import Path

import pytest

from farfield.process import prepare

prepare()  # as stages do, before torch loads


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mirror", type=Path, help="folder with the archives of real images")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--mirror") is None:
        absent = pytest.mark.skip(reason="needs real images: --mirror PATH")
        for item in items:
            if "mirror" in item.keywords:
                item.add_marker(absent)


@pytest.fixture(scope="session")
def mirror(request: pytest.FixtureRequest) -> Path:
    """The folder given with --mirror."""
    path: Path = request.config.getoption("--mirror")
    if not path.is_dir():
        pytest.fail(f"--mirror {path} is no folder")
    return path
