"""Make campaign.xlsx from campaign.csv: the same campaign as a person keeps it in Excel, its ids as numbers.

Run it after changing campaign.csv: ``python samples/make_workbook.py``.
"""  # noqa: INP001 - a script beside its data, not a package

import csv
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter

HERE = Path(__file__).parent
WIDTHS = (18, 18, 16, 10, 10, 90)


def main() -> None:
    """Write the workbook; the same rows give the same file."""
    with (HERE / "campaign.csv").open(encoding="utf-8", newline="") as file:
        headings, *rows = csv.reader(file)
    with xlsxwriter.Workbook(HERE / "campaign.xlsx") as workbook:
        workbook.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
        bold = workbook.add_format({"bold": True, "bottom": 1})
        wrapped = workbook.add_format({"text_wrap": True, "valign": "top"})
        sheet = workbook.add_worksheet("Campaign")
        sheet.freeze_panes(1, 0)
        for column, (heading, width) in enumerate(zip(headings, WIDTHS, strict=True)):
            sheet.set_column(column, column, width, wrapped)
            sheet.write_string(0, column, heading, bold)
        for number, row in enumerate(rows, start=1):
            for column, cell in enumerate(row):
                # Excel itself would take "=10 % off" for a formula; a person types it after an apostrophe.
                if cell.isdecimal():
                    sheet.write_number(number, column, int(cell), wrapped)
                else:
                    sheet.write_string(number, column, cell, wrapped)


if __name__ == "__main__":
    main()
