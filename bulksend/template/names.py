"""Which column a template means: headings as names, in any case, in English and Russian."""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from keyword import iskeyword
from typing import Final

from bulksend.errors import TemplateError
from bulksend.locale import _
from bulksend.sheet.messages import listed, quoted
from bulksend.template.messages import TemplateFault

_SHOWN: Final = 12
"""How many columns a sentence lists before it says "and so on"."""


def normal(name: str) -> str:
    """Return the form in which headings and names meet: ``Сумма счёта, руб.`` is ``сумма_счета_руб``."""
    # "№" would become the letters "No", and no one writes those for it.
    text = unicodedata.normalize("NFKC", name.replace("№", " ")).casefold().replace("ё", "е")
    return re.sub(r"[\W_]+", "_", text).strip("_")


def spelling(heading: str) -> str:
    """Return how a template can name this column: ``client_name``, or ``row["…"]`` where it makes no name."""
    name = normal(heading)
    if name and name[0].isdigit():
        name = f"_{name}"
    # "and", "if", "in", "is", "not" … are words of the template language, and all of them are Python's keywords too.
    usable = name.isidentifier() and not iskeyword(name) and name not in {"row", "self", "true", "false", "none"}
    return name if usable else f'row["{heading}"]'


class Columns:
    """A sheet's headings, ready to be asked for by the names that a template uses."""

    def __init__(self, headings: Sequence[str]) -> None:
        self.headings = [heading.strip() for heading in headings]
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._normal: dict[str, list[int]] = defaultdict(list)
        for position, heading in enumerate(self.headings):
            if heading:
                self._exact[heading].append(position)
                self._normal[normal(heading)].append(position)

    def by_name(self, name: str) -> int | None:
        """Return the position of the column that ``name`` stands for; ``None`` where there is none.

        Raises:
            TemplateError: two columns answer to it.
        """
        return self._one(name, self._normal.get(normal(name), []))

    def by_heading(self, heading: str) -> int | None:
        """Return the position of the column with this very heading, else of the one that only looks different.

        Raises:
            TemplateError: two columns answer to it.
        """
        heading = heading.strip()
        return self._one(heading, self._exact.get(heading) or self._normal.get(normal(heading), []))

    def _one(self, asked: str, found: list[int]) -> int | None:
        if len(found) < 2:
            return found[0] if found else None
        headings = [self.headings[position] for position in found]
        if len(set(headings)) == len(headings):
            advice = _('write row["{heading}"] for the one you mean').format(heading=headings[0])
        else:
            advice = _("give them different headings in the sheet")
        shown = listed([quoted(heading) for heading in headings])
        raise TemplateError(TemplateFault.TWO_COLUMNS.say(name=asked, columns=shown, advice=advice))

    def near(self, *attempts: str) -> str | None:
        """Return the spelling of the column that was probably meant by one of ``attempts``, the likeliest first."""
        for attempt in map(normal, attempts):
            longer = [name for name in self._normal if attempt and f"_{attempt}_" in f"_{name}_"]
            close = longer if len(longer) == 1 else difflib.get_close_matches(attempt, self._normal, n=1, cutoff=0.6)
            if close:
                return spelling(self.headings[self._normal[close[0]][0]])
        return None

    def listed(self) -> str:
        """Return the names a template may use, as the end of a sentence."""
        names = list(dict.fromkeys(spelling(heading) for heading in self.headings if heading))
        left_out = max(0, len(names) - _SHOWN)
        return listed(names[:_SHOWN], more=left_out) if left_out else ", ".join(names) or _("none")
