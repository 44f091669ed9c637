"""Headings: found in any spelling people use, and when not, the sentence says which and what to do."""

# ruff: noqa: E501  # tables of headings, as wide as they need to be

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulksend.errors import SheetError
from bulksend.sheet.headings import (
    FIELDS,
    RESULT_COLUMNS,
    Columns,
    column_letters,
    column_name,
    columns_named,
    field_of,
    find_columns,
    guess_columns,
    heading_position,
    implied_type,
)

API = ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID", "USER_ID", "MESSAGE"]


@pytest.mark.parametrize(
    "headings",
    [
        API,
        ["crm entity type", "Crm_Entity_Id", "chat-id", "User ID", "message:"],
        ["Entity type", "Entity ID", "ChatID", "user id ", "*Message*"],
        ["Тип сущности", "ID сделки", "ID чата", "ID пользователя", "Текст сообщения"],
        ["ТИП_СУЩНОСТИ", "Номер сделки", "№ чата", "ИД сотрудника", "Сообщение"],
        ["СRM_ENTITY_TYPЕ", "СRM_ENTITY", "СHАT_ID", "USЕR_ID", "МESSAGE"],  # Cyrillic letters among the Latin ones
    ],
)
def test_headings_are_found_in_any_spelling(headings: list[str]) -> None:
    """Case, spaces, underscores, punctuation, language and look-alike letters do not matter."""
    assert find_columns(headings) == Columns(entity_type=0, entity_id=1, chat_id=2, user_id=3, message=4)


@given(
    st.sampled_from([(f, n) for f, field in FIELDS.items() for n in field.names]),
    st.randoms(),
    st.sampled_from(" _-. "),
)
def test_every_known_heading_is_found_however_it_is_written(known: tuple[str, str], chance: object, gap: str) -> None:
    """All names of the table stand for one field each, in any case and with any gaps."""
    field, name = known
    assert field_of(name.upper().replace(" ", gap)) == field_of(f" {name.replace('е', 'ё')}:") == field


def test_order_and_other_columns_do_not_matter() -> None:
    """Extra columns are left where they are."""
    assert find_columns(["Note", "MESSAGE", "CHAT_ID", "", "CRM_ENTITY", "CRM_ENTITY_TYPE"]) == Columns(
        entity_type=5, entity_id=4, chat_id=2, message=1
    )


def test_heading_that_names_the_entity_needs_no_column_of_types() -> None:
    """Under "Deal ID" there are deals."""
    assert find_columns(["ID сделки", "ID чата", "Текст"]).implied_type == "deal"
    assert find_columns(["Lead ID", "Chat ID", "Text"]).implied_type == "lead"
    assert find_columns(["Deal ID", "Type of entity", "Chat ID", "Text"]).implied_type == ""


def test_result_columns_are_never_taken_for_fields() -> None:
    """A results sheet is a valid input."""
    assert [field_of(heading) for heading in RESULT_COLUMNS] == [None] * len(RESULT_COLUMNS)


@pytest.mark.parametrize(
    ("headings", "sentence"),
    [
        (
            ["CRM_ENTITY_TYPE", "CRM_ENTITY", "Chat", "MESSAGE"],
            (
                "There is no column for CHAT_ID (the headings are 'CRM_ENTITY_TYPE', 'CRM_ENTITY', 'Chat' and 'MESSAGE'): "
                "did 'Chat' mean CHAT_ID? Then rename it, or choose it by hand."
            ),
        ),
        (
            ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_IDD", "Masage"],
            (
                "There is no column for CHAT_ID and MESSAGE (the headings are 'CRM_ENTITY_TYPE', 'CRM_ENTITY', 'CHAT_IDD' "
                "and 'Masage'): did 'CHAT_IDD' mean CHAT_ID and did 'Masage' mean MESSAGE? Then rename them, or "
                "choose them by hand."
            ),
        ),
        (
            ["CRM_ENTITY_TYPE", "CRM_ENTITY", "MESSAGE"],
            (
                "There is no column for CHAT_ID (the headings are 'CRM_ENTITY_TYPE', 'CRM_ENTITY' and 'MESSAGE'): add a "
                "heading called CHAT_ID, or look the chats up."
            ),
        ),
        (
            ["CRM_ENTITY_TYPE", "CRM_ENTITY", "CHAT_ID"],
            (
                "There is no column for MESSAGE (the headings are 'CRM_ENTITY_TYPE', 'CRM_ENTITY' and 'CHAT_ID'): add a "
                "heading called MESSAGE, or write the messages with a template."
            ),
        ),
        (
            ["a", "b"],
            (
                "There is no column for CRM_ENTITY_TYPE, CRM_ENTITY, CHAT_ID and MESSAGE (the headings are 'a' and 'b'): "
                "add headings called CRM_ENTITY_TYPE, CRM_ENTITY, CHAT_ID and MESSAGE."
            ),
        ),
        (
            ["", ""],
            (
                "There is no column for CRM_ENTITY_TYPE, CRM_ENTITY, CHAT_ID and MESSAGE (the headings are all blank): "
                "add headings called CRM_ENTITY_TYPE, CRM_ENTITY, CHAT_ID and MESSAGE."
            ),
        ),
        (
            [*API, "Text"],
            ("'E: MESSAGE' and 'F: Text' stand for the same field: rename all but one, or choose one of them."),
        ),
        (
            [*API, "CHAT_ID"],
            ("'C: CHAT_ID' and 'F: CHAT_ID' stand for the same field: rename all but one, or choose one of them."),
        ),
    ],
)
def test_missing_and_doubled_headings_are_named(headings: list[str], sentence: str) -> None:
    """The sentence names what was found and what is needed."""
    with pytest.raises(SheetError) as refused:
        find_columns(headings)
    assert str(refused.value) == sentence


def test_map_wins_over_headings() -> None:
    """Choosing by hand names a column for a field, in any spelling of both."""
    columns = find_columns([*API, "Text 2"], {"message": "text 2", "chat id": "USER_ID"}, optional={"CHAT_ID"})
    assert (columns.message, columns.chat_id, columns.user_id) == (5, 3, None)


def test_map_of_an_unknown_field_names_the_fields() -> None:
    """A mistake in the choice is named in the error."""
    with pytest.raises(SheetError) as refused:
        find_columns(API, {"PHONE": "MESSAGE"})
    assert str(refused.value) == (
        "There is no field 'PHONE' to choose a column for: the fields are CRM_ENTITY_TYPE, CRM_ENTITY, CHAT_ID, USER_ID, "
        "MESSAGE and TIMEZONE."
    )


def test_map_of_an_unknown_heading_names_the_headings() -> None:
    """The nearest heading is suggested."""
    with pytest.raises(SheetError) as refused:
        find_columns([*API, "Comment"], {"MESSAGE": "Coment"})
    assert str(refused.value) == (
        "There is no heading 'Coment' to choose for MESSAGE: the headings are 'CRM_ENTITY_TYPE', 'CRM_ENTITY', "
        "'CHAT_ID', 'USER_ID', 'MESSAGE' and 'Comment'; did you mean 'Comment'?"
    )


@pytest.mark.parametrize("name", ["F: MESSAGE", " f:message", "F : Message"])
def test_map_names_one_of_several_columns_with_the_same_heading_by_its_letters(name: str) -> None:
    """In any spelling of both."""
    assert find_columns([*API, "MESSAGE"], {"MESSAGE": name}).message == 5


@pytest.mark.parametrize(
    ("headings", "name", "columns"),
    [
        ([*API, "MESSAGE"], "MESSAGE", "'E: MESSAGE' and 'F: MESSAGE'"),
        ([*API, "MESSAGE "], "MESSAGE", "'E: MESSAGE' and 'F: MESSAGE'"),
        ([*API, "Message"], "message", "'E: MESSAGE' and 'F: Message'"),
        ([*API, "E: MESSAGE"], "E: MESSAGE", "'E: MESSAGE' and 'F: E: MESSAGE'"),
    ],
)
def test_map_of_a_heading_of_several_columns_names_them(headings: list[str], name: str, columns: str) -> None:
    """None of them is taken."""
    with pytest.raises(SheetError) as refused:
        find_columns(headings, {"MESSAGE": name})
    assert str(refused.value) == (
        f"There are several columns '{name}' to choose for MESSAGE: rename all but one, or choose one of them by its "
        f"letter and its heading ({columns})."
    )


@pytest.mark.parametrize("name", ["D: MESSAGE", "Z: MESSAGE", "F:"])
def test_map_of_letters_that_do_not_fit_the_heading_is_refused(name: str) -> None:
    """Such as those of a column that has moved since."""
    with pytest.raises(SheetError, match="There is no heading"):
        find_columns([*API, "MESSAGE", ""], {"MESSAGE": name})


def test_names_of_columns_are_their_headings_where_no_other_has_the_same() -> None:
    """Each is understood as that column alone, or is refused."""
    headings = ["Text", "text ", "ID", "ID", "ID ", "E: ID", "№", " "]
    names = [column_name(headings, position) for position in range(len(headings))]
    assert names == ["Text", "text", "C: ID", "D: ID", "E: ID", "F: E: ID", "№", ""]
    assert [columns_named(headings, name) for name in names] == [[0], [1], [2], [3], [4, 5], [5], [6], []]


@pytest.mark.parametrize("field", ["MESSAGE", "CHAT_ID"])
def test_fields_that_come_from_elsewhere_may_be_missing(field: str) -> None:
    """A template writes the texts; a lookup fills in the chats."""
    headings = [heading for heading in API if heading != field]
    with pytest.raises(SheetError, match=f"There is no column for {field} "):
        find_columns(headings)
    columns = find_columns(headings, optional={field})
    assert {"MESSAGE": columns.message, "CHAT_ID": columns.chat_id}[field] is None


@pytest.mark.parametrize(
    ("rows", "position"),
    [
        ([API], 0),
        ([["Campaign"], [""], API], 2),
        ([["Message"], API], 1),  # a title that is also the name of a field
        ([["a", "b"], ["c", "d"]], 0),
        ([["title", ""], ["a", "b"]], 1),
        ([["only"], [""]], 0),
        ([["", " "]], None),
        ([], None),
    ],
)
def test_row_of_headings_is_the_one_that_knows_most_fields(rows: list[list[str]], position: int | None) -> None:
    """Titles and blank rows above are skipped; without a known heading the first row that looks like some is taken."""
    assert heading_position(rows) == position


def test_row_of_headings_is_found_by_a_name_with_letters() -> None:
    """As by the heading alone."""
    assert heading_position([["title", "x"], ["Words", "Words"]], ["B: Words"]) == 1


def test_headings_typed_in_look_alike_letters_are_known() -> None:
    """`CHAT_ID` in Cyrillic looks the same."""
    assert [field_of(heading) for heading in ("СНАТ_ID", "МЕSSАGЕ", "СRМ_ЕNТIТУ")] == [
        "CHAT_ID",
        "MESSAGE",
        "CRM_ENTITY",
    ]


def test_columns_have_excels_names() -> None:
    """A, Z, AA, XFD."""
    assert [column_letters(position) for position in (0, 25, 26, 701, 702, 16_383)] == [
        "A",
        "Z",
        "AA",
        "ZZ",
        "AAA",
        "XFD",
    ]


def test_columns_are_guessed_for_a_person_to_confirm() -> None:
    """What headings say comes first, then what they resemble; a column is guessed for one field alone."""
    headings = ["Чат", "Deal ID", "Name", "Body", "Manager"]
    assert guess_columns(headings) == {"CRM_ENTITY": 1, "CHAT_ID": 0, "MESSAGE": 3}
    headings = ["Deal no", "Text for the customer", *RESULT_COLUMNS]  # what results are added with is never guessed
    assert guess_columns(headings) == {"MESSAGE": 1}
    assert implied_type("Deal ID") == "deal"
    assert guess_columns(["", "", ""]) == {}


def test_one_kind_of_entity_may_be_named_for_all_rows() -> None:
    """Where a sheet has only numbers of deals, that they are deals is said once; a column of types wins."""
    assert find_columns(["Entity ID", "CHAT_ID", "MESSAGE"], entity_type="deal").implied_type == "deal"
    assert find_columns(["Type of entity", "Entity ID", "CHAT_ID", "MESSAGE"], entity_type="deal").entity_type == 0
