"""What a worksheet holds in Excel and in LibreOffice, and where a longer table continues."""

MOST_ROWS = 1 << 20
MOST_COLUMNS = 1 << 14
LONGEST_CELL = 32_767
"""Characters; Excel drops the whole cell if there are more."""

_LONGEST_NAME = 31
_NOT_IN_A_NAME = str.maketrans(dict.fromkeys("[]:*?/\\", "_"))


def page_name(name: str, page: int) -> str:
    """The name of the worksheet that holds a table's first, second … part: ``Results``, ``Results (2)``."""
    number = f" ({page})" if page > 1 else ""
    return name.translate(_NOT_IN_A_NAME).strip("'")[: _LONGEST_NAME - len(number)].rstrip("'") + number
