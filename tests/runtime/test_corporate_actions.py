"""Files of corporate actions: what they say, and what is wrong with them, all at once."""

import hashlib
from pathlib import Path

import pytest

from actors.domain.adjustments import CorporateAction
from actors.domain.errors import ConfigError, DataError
from actors.runtime.corporate_actions import FAULTS_SHOWN, ActionsFile, read_actions

HEADER = "date,symbol,split,dividend\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "actions.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes) -> ActionsFile:
    return read_actions(written(folder, text))


def refusal(folder: Path, text: str | bytes) -> list[str]:
    """Give the lines of the message after the first, which names the file."""
    with pytest.raises(DataError) as caught:
        read(folder, text)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith(f"{folder / 'actions.csv'}: ")
    return [line.strip() for line in lines] or [first.partition(": ")[2]]


def test_actions_are_given_by_symbol_and_date_with_their_lines(tmp_path: Path) -> None:
    rows = (
        "2020-08-31,AAPL,4,",
        "2020-08-31,TSLA,5,0",
        "",
        "2020-08-07,AAPL,,0.82",
        "2014-06-09,AAPL,7.0,1e-1",
    )
    text = HEADER + "\n".join(rows)
    file = read(tmp_path, text)
    assert file.actions == {
        "AAPL": (
            CorporateAction("AAPL", "2014-06-09", 7.0, 0.1, 6),
            CorporateAction("AAPL", "2020-08-07", 1.0, 0.82, 5),
            CorporateAction("AAPL", "2020-08-31", 4.0, 0.0, 2),
        ),
        "TSLA": (CorporateAction("TSLA", "2020-08-31", 5.0, 0.0, 3),),
    }
    assert file.path == tmp_path / "actions.csv"
    assert file.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "dividend,split,symbol,date\n0.5,4,AAPL,2020-08-31\n",
        "date,symbol,name,split,dividend\r\n2020-08-31,AAPL,Apple,4,0.5\r\n",
        "\ufeffdate, symbol, split, dividend\n2020-08-31, AAPL , 4, 0.5",
        '"date","symbol","split","dividend"\n"2020-08-31","AAPL","4","0.5"\n',
    ],
    ids=["other order", "more columns", "spaces and a mark", "quotes"],
)
def test_order_spaces_quotes_and_further_columns_make_no_difference(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).actions == {"AAPL": (CorporateAction("AAPL", "2020-08-31", 4.0, 0.5, 2),)}


def test_a_file_without_a_row_has_no_actions(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER).actions == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("31.08.2020,AAPL,4,", "line 2, date: '31.08.2020' is no date; write the ex-date as YYYY-MM-DD"),
        ("2020-02-30,AAPL,4,", "line 2, date: '2020-02-30' is no date; write the ex-date as YYYY-MM-DD"),
        ("2020-08-31,,4,", "line 2, symbol: is empty; write the symbol as the catalog has it"),
        ("2020-08-31,AAPL,4:1,", "line 2, split: '4:1' is no number; write the new shares per old one"),
        ("2020-08-31,AAPL,nan,", "line 2, split: 'nan' is no number"),
        ("2020-08-31,AAPL,0,", "line 2, split: 0 is not above 0"),
        ("2020-08-31,AAPL,-4,", "line 2, split: -4 is not above 0"),
        ("2020-08-31,AAPL,1e7,", "line 2, split: 1e7 is not between 0.000001 and 1000000"),
        ("2020-08-31,AAPL,,-0.82", "line 2, dividend: -0.82 is below 0"),
        ("2020-08-31,AAPL,,inf", "line 2, dividend: 'inf' is no number; write the cash per share"),
        ("2020-08-31,AAPL,,1_0", "line 2, dividend: '1_0' is no number"),
        ("2020-08-31,AAPL,,0,82", "line 2: has 5 fields, the first line 4; write as many"),
        ("2020-08-31,AAPL", "line 2: has 2 fields, the first line 4; write as many"),
    ],
)
def test_a_row_that_cannot_be_is_named_by_line_and_column(row: str, message: str, tmp_path: Path) -> None:
    (found,) = refusal(tmp_path, f"{HEADER}{row}\n")
    assert found.startswith(message)


def test_all_that_is_wrong_is_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = ["2020-08-31,AAPL,x,y", "2020-08-31,TSLA,5,", "monday,AAPL,,", "2020-08-31,TSLA,,1"]
    found = refusal(tmp_path, HEADER + "\n".join(rows))
    assert [line.partition(": ")[0] for line in found] == [
        "line 2, dividend",
        "line 2, split",
        "line 4, date",
        "line 5, date",
    ]
    assert found[-1] == (
        "line 5, date: TSLA 2020-08-31 is in line 3 already; keep one, with split and dividend of that day"
    )


def test_of_many_faults_the_first_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    found = refusal(tmp_path, HEADER + "2020-08-31,AAPL,x,\n" * 30)
    assert len(found) == FAULTS_SHOWN + 1
    assert found[-1] == "and 10 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 must name each of the columns date, symbol, split, dividend once; add or correct date,"),
        (
            "date,symbol,ratio,dividend\n",
            "line 1 must name each of the columns date, symbol, split, dividend ",
        ),
        ("date,symbol,split,split,dividend\n", "line 1 must name each"),
        (b"date,symbol,split,dividend\n2020-08-31,\xc4\xd6,4,\n", "is not UTF-8 text: byte 38 is 0xc4"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_as_a_whole(
    text: str | bytes, message: str, tmp_path: Path
) -> None:
    (found,) = refusal(tmp_path, text)
    assert found.startswith(message)


def test_a_quote_that_is_never_closed_is_no_csv(tmp_path: Path) -> None:
    (found,) = refusal(tmp_path, f'{HEADER}2020-08-31,"AAPL,4,\n')
    assert "is no CSV" in found


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_file_that_cannot_be_read_is_told_by_the_setting_that_names_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_actions(tmp_path / name)
    (problem,) = caught.value.problems
    assert problem.where == "catalog.corporate_actions"
    assert "cannot be read" in problem.message
