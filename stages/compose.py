"""Write params.yaml from conf/: `python -m stages.compose profile=mini fewshot.episodes=200`.

The same composition that `dvc exp run -S profile=mini` makes, without running anything.
"""

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from farfield.errors import InputError
from farfield.files import atomic_file
from stages.params import check_params


def composed(overrides: list[str], conf: Path = Path("conf")) -> str:
    """The text of params.yaml for these overrides. InputError if they do not compose or are not valid."""
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            config = compose("config", overrides=overrides)
        OmegaConf.resolve(config)
        text = OmegaConf.to_yaml(config)
        values = OmegaConf.to_container(config, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(
            f"conf/ does not compose with {' '.join(overrides) or 'no override'}: {error}"
        ) from error
    check_params(values, "the composed configuration")
    return text


def main(overrides: list[str]) -> None:
    text = composed(overrides)
    with atomic_file(Path("params.yaml")) as partial:
        partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
