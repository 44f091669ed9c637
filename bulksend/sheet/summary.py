"""The summary in a workbook of results: facts, counts by status, error code and delivery, and their charts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import xlsxwriter

from bulksend.locale import N_, _
from bulksend.sheet.xlsx_writer import COLOURS

_GOOD = N_("no problem")
"""What the summary calls rows without a status: `bulksend check` gives one only to rows that cannot be sent."""
_BARS = {  # papers are too pale for a chart
    "sent": "#70AD47",
    "failed": "#D9534F",
    "invalid": "#E8875B",
    "unknown": "#F0B429",
    "not_sent": "#6C8EBF",
    "skipped": "#A6A6A6",
    _GOOD: "#70AD47",
    "read": "#548235",
    "delivered": "#70AD47",
    "sending": "#F0B429",
    "hidden": "#A6A6A6",
    "not_told": "#6C8EBF",
}
_DELIVERIES = ("read", "delivered", "sending", "hidden", "not_told")
_TROUBLES = ("failed", "invalid", "unknown", "not_sent")
_ROWS_OF_CHART = 16


def write_summary(
    book: xlsxwriter.Workbook,
    facts: Sequence[tuple[str, str | int]],
    statuses: Counter[str],
    codes: Counter[str],
    deliveries: Counter[str],
) -> None:
    """Add the worksheet that is called Summary."""
    name = _("Summary")
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True})
    sheet.set_landscape()
    sheet.fit_to_pages(1, 1)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 44)
    left = book.add_format({"align": "left"})
    row = 0

    def section(title: str, pairs: Iterable[tuple[str, Any]]) -> tuple[int, int]:
        nonlocal row
        sheet.write_string(row, 0, title, bold)
        first = row + 1
        for row, (label, value) in enumerate(pairs, first):
            sheet.write_string(row, 0, str(label))
            if isinstance(value, int):
                sheet.write_number(row, 1, value, left)
            else:
                sheet.write_string(row, 1, str(value))
        last = max(row, first - 1)
        row = last + 2
        return first, last

    if facts:
        section(_("Campaign"), facts)
    ordered = [
        (status or _(_GOOD), statuses[status])
        for status in [*COLOURS, *sorted(set(statuses) - set(COLOURS))]
        if statuses[status]
    ]
    first, last = section(_("Rows by status"), ordered)
    if codes:
        section(_("Rows by error code"), codes.most_common())
    charts = []
    if any(statuses[status] for status in _TROUBLES):
        charts.append((_("What became of the rows"), first, last, [status for status, _rows in ordered]))
    if reached := [(delivery, deliveries[delivery]) for delivery in _DELIVERIES if deliveries[delivery]]:
        first, last = section(_("Sent messages by delivery"), reached)
        charts.append((_("What became of the sent messages"), first, last, [delivery for delivery, _rows in reached]))
    for place, chart in enumerate(charts):
        sheet.insert_chart(1 + place * _ROWS_OF_CHART, 3, _chart(book, name, *chart))


def _chart(  # noqa: PLR0917 - xlsxwriter's order: sheet, rows
    book: xlsxwriter.Workbook, sheet: str, title: str, first: int, last: int, names: Sequence[str]
) -> Any:
    """A bar for each of some rows of the summary."""
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": _("Rows"),
            "categories": [sheet, first, 0, last, 0],
            "values": [sheet, first, 1, last, 1],
            "points": [{"fill": {"color": _BARS.get(name, "#BFBFBF")}} for name in names],
            "data_labels": {"value": True},
            "gap": 60,
        }
    )
    chart.set_title({"name": title})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True, "line": {"color": "#BFBFBF"}, "major_tick_mark": "none"})
    chart.set_x_axis({"visible": False, "min": 0, "major_gridlines": {"visible": False}})
    return chart
