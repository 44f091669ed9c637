"""Sheets to measure with: Russian texts, all different, and a few columns more than are needed."""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADINGS = ["CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE", "NAME", "PHONE"]


def rows(count: int) -> Iterator[list[str]]:
    """So many rows, the same ones each time: every chat gets two messages."""
    dice = random.Random(7)
    for number in range(count):
        amount = dice.randrange(100, 1_000_000)
        yield [
            "deal",
            str(1_000 + number),
            str(200_000 + number % max(1, count // 2)),
            "27",
            f"Здравствуйте, клиент {number}! Ваш заказ № {number} готов, к оплате {amount} руб. Ждём Вас до 20:00.",
            f"Клиент {number}",
            f"+7900{number:07}",
        ]


def make_csv(folder: Path, count: int) -> Path:
    """A text file of so many rows, made once."""
    path = folder / f"sheet-{count}.csv"
    if not path.exists():
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADINGS)
            writer.writerows(rows(count))
    return path


def make_csv_with_zones(folder: Path, count: int, *, zones: bool) -> Path:
    """The same with a column of time zones: eleven in turn, or none."""
    path = folder / f"sheet-{count}-{'zones' if zones else 'none'}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADINGS, "TIMEZONE"])
        # A chat has two messages, half of the sheet apart: both in the same zone.
        writer.writerows([*row, f"+{2 + int(row[2]) % 11:02}:00" if zones else ""] for row in rows(count))
    return path


def make_xlsx(folder: Path, count: int) -> Path:
    """A workbook of so many rows, made once: ids as numbers, as people have them."""
    path = folder / f"sheet-{count}.xlsx"
    if not path.exists():
        book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(folder)})
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADINGS)
        for number, row in enumerate(rows(count), 1):
            for position, cell in enumerate(row):
                if position in {1, 2, 3}:
                    sheet.write_number(number, position, int(cell))
                else:
                    sheet.write_string(number, position, cell)
        book.close()
    return path
