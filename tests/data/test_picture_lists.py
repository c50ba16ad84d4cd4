"""Lists of pictures with their points."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.data.picture_lists import PointTable, read_list
from spelke.errors import BadFile, MissingData

NAMES = st.text(
    st.characters(whitelist_categories=("L", "Nd"), whitelist_characters="-_ '/{"), min_size=1
).map(lambda text: f"{text.strip()}x.jpg")
NUMBERS = st.integers(-5000, 5000).map(lambda n: n / 4)
LISTS = st.dictionaries(
    NAMES, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3).map(tuple), min_size=1, max_size=5
)


def as_text(named, gap):
    lines = [[name, *(f"{v:g}" for point in points for v in point)] for name, points in named]
    return "# a list\n\n" + "".join(gap.join(line) + "\n" for line in lines)


def as_csv(named):
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["image", "x", "y"])
    for name, points in named:
        writer.writerows([name, *point] for point in points or [("", "")])
    return buffer.getvalue()


@given(LISTS)
def test_all_forms_of_a_list_say_the_same(tmp_path_factory, named):
    folder = tmp_path_factory.mktemp("lists")
    forms = {
        "a.txt": as_text(named.items(), " "),
        "b.txt": as_text(named.items(), "\t"),
        "c.csv": as_csv(named.items()),
        "d.json": json.dumps(named),
    }
    for name, text in forms.items():
        (folder / name).write_text(text, encoding="utf-8-sig")
        assert read_list(folder / name) == named, name


def test_a_name_that_ends_in_numbers_is_ended_by_a_tab(tmp_path):
    (tmp_path / "a.txt").write_text("photo 12 7\t3 4\nphoto 12 7\t5 6\n")
    assert read_list(tmp_path / "a.txt") == {"photo 12 7": ((3, 4), (5, 6))}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", "desk.jpg 3\n", "line 1: expected a picture and pairs"),
        ("a.txt", "ok.jpg\ndesk.jpg\t3 four\n", "line 2"),
        ("a.csv", "picture,x,y\ndesk.jpg,3,4\n", "expected a head image,x,y, got picture,x,y"),
        ("a.csv", "image,x,y\ndesk.jpg,3,\n", "line 2"),
        ("a.csv", "image,x,y\ndesk.jpg,3,nan\n", "line 2: a point is two finite numbers"),
        ("a.csv", "image,x,y\ndesk.jpg\n,1,2\n", "line 3"),
        ("a.json", '{"desk.jpg": [[3, 4]', "line 1: no JSON"),
        ("a.json", '["desk.jpg"]', "expected {"),
        ("a.json", '{"desk.jpg": [3, 4]}', "'desk.jpg': expected points"),
        ("a.json", '{"desk.jpg": [[3, 4, 5]]}', "'desk.jpg': a point is two numbers"),
        ("a.md", "desk.jpg", "no list"),
    ],
)
def test_a_damaged_list_names_the_place(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadFile) as caught:
        read_list(tmp_path / name)
    assert says in str(caught.value)
    assert name in str(caught.value)


def test_an_absent_or_empty_list_is_missing_data(tmp_path):
    (tmp_path / "a.txt").write_text("# nothing\n")
    for name in ("a.txt", "b.txt"):
        with pytest.raises(MissingData, match=name):
            read_list(tmp_path / name)


def test_points_are_found_by_the_end_of_a_path(tmp_path):
    table = {"desk.jpg": [[1, 1]], "attic/desk.jpg": [[2, 2]], "/full/a.jpg": [[3, 3]], "b": []}
    (tmp_path / "a.json").write_text(json.dumps(table))
    points = PointTable(tmp_path / "a.json")
    assert points.points_of("/home/cellar/desk.jpg") == ((1, 1),)
    assert points.points_of("/home/attic/desk.jpg") == ((2, 2),)
    assert points.points_of("/full/a.jpg") == ((3, 3),)
    assert points.points_of("/other/a.jpg") == ()
    assert points.points_of("mydesk.jpg") == ()
    assert list(points.unused) == ["b"]
