"""What every section of the parameters is made of."""

import re
from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

LONGEST = 100  # letters of a name; a file system takes 255 with what is added to it


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _named(name: str) -> str:
    if not re.fullmatch(r"(?!\d+\Z)[A-Za-z0-9_][A-Za-z0-9_-]*", name) or len(name) > LONGEST:
        raise ValueError(
            "a name becomes a folder and a word of shell commands, so it is made of letters without accents, "
            f"digits, _ and -, does not begin with -, is no number, and has at most {LONGEST} letters"
        )
    return name


def _distinct(values: tuple[object, ...]) -> tuple[object, ...]:
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise ValueError(f"{twice[0]!r} is given twice, and would be counted twice")
    return values


Name = Annotated[str, AfterValidator(_named)]
Distinct = AfterValidator(_distinct)  # of a tuple
