"""Which column is which: the headings people use, in English and Russian."""

import difflib
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from bulksend.locale import _, ngettext
from bulksend.sheet.messages import Refusal, listed, quoted, refuse


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message, which a column of the sheet holds.

    Attributes:
        attribute: of `Columns`, which says where the column is.
        names: the headings it goes by besides its own name; case, spaces, underscores and punctuation do not matter.
        hints: headings that are too vague to be trusted, but worth asking about where the field is missing.
        required: whether a sheet must have it.
    """

    attribute: str
    names: tuple[str, ...]
    hints: tuple[str, ...]
    required: bool = True


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "CRM_ENTITY_TYPE": Field(
            "entity_type",
            names=(
                "crm entity type", "entity type", "type of entity", "crm type", "owner type",
                "тип сущности", "тип сущности crm", "тип объекта", "тип объекта crm", "тип элемента",
                "тип элемента crm", "сущность crm", "тип crm",
            ),
            hints=("type", "entity", "тип", "сущность", "вид", "объект"),
        ),
        "CRM_ENTITY": Field(
            "entity_id",
            names=(
                "crm entity", "crm entity id", "entity id", "id of entity", "entity number", "owner id", "crm id",
                "id сущности", "id сущности crm", "ид сущности", "номер сущности", "id объекта", "id объекта crm",
                "ид объекта", "id элемента", "id элемента crm", "ид элемента", "id crm",
                "lead id", "id of lead", "id лида", "ид лида", "номер лида",
                "deal id", "id of deal", "id сделки", "ид сделки", "номер сделки",
                "contact id", "id of contact", "id контакта", "ид контакта", "номер контакта",
                "company id", "id of company", "id компании", "ид компании", "номер компании",
            ),
            hints=("id", "ид", "lead", "deal", "contact", "company", "лид", "сделка", "контакт", "компания"),
        ),
        "CHAT_ID": Field(
            "chat_id",
            names=(
                "chat id", "id of chat", "chat number", "open channel chat id", "dialog id",
                "id чата", "ид чата", "номер чата", "чат id", "id диалога", "номер диалога", "id чата открытой линии",
            ),
            hints=("chat", "dialog", "чат", "диалог"),
        ),
        "USER_ID": Field(
            "user_id",
            names=(
                "user id", "id of user", "sender id", "operator id", "employee id", "speaker id", "from user id",
                "id пользователя", "ид пользователя", "id отправителя", "ид отправителя", "id сотрудника",
                "ид сотрудника", "id оператора", "ид оператора", "id менеджера", "от имени id",
            ),
            hints=("user", "sender", "operator", "пользователь", "отправитель", "оператор", "сотрудник"),
            required=False,
        ),
        "MESSAGE": Field(
            "message",
            names=(
                "message", "message text", "text of message", "text", "message body",
                "сообщение", "текст сообщения", "текст", "тело сообщения",
            ),
            hints=("msg", "body", "comment", "сообщения", "смс", "комментарий"),
        ),
        "TIMEZONE": Field(
            "timezone",
            names=("timezone", "time zone", "часовой пояс", "таймзона"),
            hints=(),
            required=False,
        ),
    }
)  # fmt: skip
"""By the portal's own names; a new field is added here, and to `Columns`."""

# A heading that names the kind of entity itself, so that no column of types is needed beside it.
_KINDS = {"lead": ("lead", "лида"), "deal": ("deal", "сделки"), "contact": ("contact", "контакта"), "company": ("company", "компании")}  # fmt: skip  # noqa: E501


class ResultCells(NamedTuple):
    """What a results sheet adds to the right of a row's own cells; a new column is added here, as the last."""

    status: str = ""
    message_id: str = ""
    error_code: str = ""
    error_description: str = ""
    sent_at: str = ""
    attempts: str = ""
    delivery: str = ""


RESULT_COLUMNS = ResultCells._fields
"""The headings of a results sheet's own columns."""

_OLDEST_RESULTS = 6
"""How many of them every results sheet has, also one that was written before others were added."""

CHAT_HEADING = "CHAT_ID"
LOOKUP_NOTE = "lookup_note"
OTHER_CHATS = "other_chats"
"""The headings of the columns that a lookup adds to a sheet."""

# Cyrillic letters that look exactly like Latin ones, typed on the wrong keyboard.
LOOKALIKES = str.maketrans("авсеніоркмтхуѕј", "abcehiopkmtxysj")

_FIELD_OF = {}  # filled below, once `key` is defined


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands: positions counted from 0, None where the sheet has no such column."""

    entity_id: int
    entity_type: int | None = None
    chat_id: int | None = None
    user_id: int | None = None
    message: int | None = None
    timezone: int | None = None
    implied_type: str = ""  # lead | deal | contact | company, where the id's heading names it ("Deal ID")


def key(heading: str) -> str:
    """A heading as it is compared: its letters and digits alone, in lower case."""
    text = unicodedata.normalize("NFKC", heading.replace("№", " номер ")).casefold().replace("ё", "е")
    return "".join(letter for letter in text if letter.isalnum())


_FIELD_OF = {key(name): field for field, known in FIELDS.items() for name in (field, *known.names)}


def field_of(heading: str) -> str | None:
    """The field a heading stands for, or None."""
    short = key(heading)
    return _FIELD_OF.get(short) or _FIELD_OF.get(short.translate(LOOKALIKES))


def hints_at(field: str, heading: str) -> bool:
    """Whether a heading is one of a field's hints."""
    return key(heading) in {key(hint) for hint in FIELDS[field].hints}


def heading_position(rows: Sequence[Sequence[str]], names: Collection[str] = ()) -> int | None:
    """Which of the first rows holds the headings: the one with most known ones, None where all are blank.

    ``names`` are headings that the user has named besides the known ones, as `find_columns` takes them.
    """
    wanted = {key(part) for name in names for part in (name, name.partition(":")[2]) if key(part)}
    best, best_score = None, 0
    for position, row in enumerate(rows):
        known = {field_of(cell) or key(cell) for cell in row if field_of(cell) or key(cell) in wanted}
        if len(known) > best_score:
            best, best_score = position, len(known)
    if best is not None:
        return best
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    several = [position for position, count in enumerate(filled) if count > 1]
    anything = [position for position, count in enumerate(filled) if count]
    return next(iter(several or anything), None)


def find_columns(
    headings: Sequence[str],
    overrides: Mapping[str, str] = MappingProxyType({}),
    *,
    optional: Collection[str] = (),
    entity_type: str = "",
) -> Columns:
    """Find the column of each field among ``headings``.

    Args:
        headings: as the sheet shows them.
        overrides: field to heading, as chosen by hand, "" for no column; they win over what the headings say. A heading
            that several columns have takes the letters of one of them before it, as `column_name` writes it.
        optional: required fields that may be missing: MESSAGE where a template writes the text, CHAT_ID where a lookup
            fills it in.
        entity_type: the kind of entity of all rows, where the sheet does not say it.

    Raises:
        SheetError: a field is missing or doubled, or an override names no field, no heading, or that of several
            columns; the sentence names all that were found and what is needed.
    """
    chosen = _overridden(headings, {name: heading for name, heading in overrides.items() if heading})
    absent = {field_of(name) for name, heading in overrides.items() if not heading}
    taken = set(chosen.values())
    found: dict[str, list[int]] = {}
    for position, heading in enumerate(headings):
        field = field_of(heading)
        if field and field not in chosen and field not in absent and position not in taken:
            found.setdefault(field, []).append(position)
    for field, positions in found.items():
        if len(positions) > 1:
            lettered = [_lettered(headings, position) for position in positions]
            doubled = listed([quoted(name) for name in lettered])
            raise refuse(Refusal.DOUBLED_COLUMNS, doubled=doubled, field=field, first=lettered[0])
        chosen[field] = positions[0]

    implied = entity_type if "CRM_ENTITY_TYPE" not in chosen else ""
    if not implied and "CRM_ENTITY_TYPE" not in chosen and "CRM_ENTITY" in chosen:
        implied = implied_type(headings[chosen["CRM_ENTITY"]])
    may_miss = {*chosen, *optional, *(["CRM_ENTITY_TYPE"] if implied else [])}
    missing = [name for name, field in FIELDS.items() if field.required and name not in may_miss]
    if missing:
        raise _missing(headings, missing, set(chosen.values()))
    return Columns(**{FIELDS[name].attribute: position for name, position in chosen.items()}, implied_type=implied)


def original_width(headings: Sequence[str]) -> int:
    """How many columns a sheet had before results were added: fewer than now only in a results sheet."""
    named = len(headings)
    while named and not headings[named - 1].strip():
        named -= 1
    for added in range(len(RESULT_COLUMNS), _OLDEST_RESULTS - 1, -1):
        if tuple(headings[max(0, named - added) : named]) == RESULT_COLUMNS[:added]:
            return named - added
    return len(headings)


def status_position(headings: Sequence[str]) -> int | None:
    """Where a results sheet says what became of each row; None in any other sheet."""
    own = original_width(headings)
    return own if own < len(headings) and headings[own] == RESULT_COLUMNS[0] else None


def guess_columns(headings: Sequence[str]) -> dict[str, int]:
    """The most likely column of each field, for a person to confirm: as headings say, else by what they resemble.

    The columns that a results sheet has beside its own are none of them.
    """
    own = headings[: original_width(headings)]
    guessed: dict[str, int] = {}
    for position, heading in enumerate(own):
        field = field_of(heading)
        if field and field not in guessed:
            guessed[field] = position
    for field in FIELDS:
        spare = [heading for position, heading in enumerate(own) if position not in guessed.values()]
        spare = [heading for heading in spare if key(heading)]
        if field not in guessed and (near := _near_miss(field, spare) or _begins_with(field, spare)):
            guessed[field] = next(p for p, h in enumerate(own) if h == near and p not in guessed.values())
    return guessed


def _begins_with(field: str, spare: list[str]) -> str | None:
    """A heading that begins with a field's name, such as "Text for the customer"."""
    names = {key(name) for name in FIELDS[field].names}
    return next((heading for heading in spare if key(heading.split()[0]) in names), None)


def implied_type(heading: str) -> str:
    """The kind of entity that the heading of an id names ("Deal ID"): lead, deal, contact or company, else ""."""
    short = key(heading)
    kinds = [kind for kind, words in _KINDS.items() if any(word in short for word in words)]
    return kinds[0] if len(kinds) == 1 else ""


def column_letters(position: int) -> str:
    """A column's name as Excel shows it: 0 is A, 26 is AA."""
    from xlsxwriter.utility import xl_col_to_name  # noqa: PLC0415 - named in errors alone

    name: str = xl_col_to_name(position)
    return name


def column_name(headings: Sequence[str], position: int) -> str:
    """What names a column to `find_columns`: its heading, with its letters before it where others have the same.

    A column without a heading has no name: "".
    """
    heading = headings[position].strip()
    alone = not heading or columns_named(headings, heading) == [position]
    return heading if alone else _lettered(headings, position)


def columns_named(headings: Sequence[str], name: str) -> list[int]:
    """The columns that ``name`` may mean, a heading or what `column_name` writes: several where it is ambiguous."""
    letters, _colon, heading = name.partition(":")
    letters = key(letters).translate(LOOKALIKES)

    def found(form: Callable[[str], str]) -> list[int]:
        whole, rest = form(name), form(heading)
        return [
            position
            for position, own in enumerate(map(form, headings))
            if own and (own == whole or (own == rest and column_letters(position).lower() == letters))
        ]

    return found(str.strip) or found(key)


def _lettered(headings: Sequence[str], position: int) -> str:
    return f"{column_letters(position)}: {headings[position].strip()}"


def _overridden(headings: Sequence[str], overrides: Mapping[str, str]) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for name, heading in overrides.items():
        field = field_of(name)
        if field is None:
            raise refuse(Refusal.UNKNOWN_FIELD, field=name, fields=listed(list(FIELDS)))
        found = columns_named(headings, heading)
        if not found:
            close = difflib.get_close_matches(heading, [h for h in headings if h.strip()], 1, 0.6)
            hint = _("; did you mean {heading}?").format(heading=quoted(close[0])) if close else "."
            raise refuse(Refusal.UNKNOWN_HEADING, field=field, heading=heading, found=_shown(headings), hint=hint)
        if len(found) > 1:
            lettered = [_lettered(headings, position) for position in found]
            columns = listed([quoted(name) for name in lettered])
            raise refuse(Refusal.SAME_HEADINGS, heading=heading, field=field, columns=columns, first=lettered[0])
        chosen[field] = found[0]
    return chosen


def _missing(headings: Sequence[str], missing: list[str], taken: set[int]) -> Exception:
    spare = [heading for position, heading in enumerate(headings) if position not in taken and key(heading)]
    near = [(field, heading) for field in missing if (heading := _near_miss(field, spare))]
    if near:
        guesses = [
            _("did {heading} mean {field}").format(heading=quoted(heading), field=field) for field, heading in near
        ]
        advice = ngettext(
            "{guesses}? Then rename it, or choose it by hand",
            "{guesses}? Then rename them, or choose them by hand",
            len(near),
        ).format(guesses=listed(guesses))
    else:
        sentence = {
            "CHAT_ID": _("add a heading called {missing}, or look the chats up"),
            "MESSAGE": _("add a heading called {missing}, or write the messages with a template"),
        }.get(
            " ".join(missing),
            ngettext("add a heading called {missing}", "add headings called {missing}", len(missing)),
        )
        advice = sentence.format(missing=listed(missing))
    return refuse(
        Refusal.MISSING_COLUMNS, missing=listed(missing), found=_shown(headings), advice=advice, near=dict(near)
    )


def _near_miss(field: str, spare: list[str]) -> str | None:
    names = [key(name) for name in FIELDS[field].names]
    for heading in spare:
        if hints_at(field, heading):
            return heading
    for heading in spare:
        if difflib.get_close_matches(key(heading), names, 1, 0.75):
            return heading
    return None


def _shown(headings: Sequence[str]) -> str:
    named = [quoted(heading, 40) for heading in headings if heading.strip()]
    return listed(named) if named else _("all blank")
