"""Lists cut by number: every item once, both ways."""

import pytest

from cassini.runtime.errors import Invalid
from services.api.offsets import cut
from services.api.page_keys import PageAsked, PageKeys

KEYS = PageKeys(b"a key of this test")


def page(items, **asked):
    return cut(items, PageAsked(KEYS, **asked), order="things")


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
def test_pages_hold_every_item_once_forwards_and_back(size):
    items = list(range(7))
    pages = [page(items, size=size)]
    while pages[-1].next_key:
        pages.append(page(items, size=size, next_key=pages[-1].next_key))
    assert [item for each in pages for item in each.items] == items
    assert pages[0].prev_key is None
    back = [pages[-1]]
    while back[-1].prev_key:
        back.append(page(items, size=size, prev_key=back[-1].prev_key))
    assert [each.items for each in back[::-1]] == [each.items for each in pages]


def test_the_page_before_holds_nothing_of_the_page_it_is_before():
    second = page(range(10), size=3, next_key=page(range(10), size=3).next_key)
    before = page(range(10), size=100, prev_key=second.prev_key)
    assert list(before.items) == [0, 1, 2]


def test_an_empty_list_has_no_keys():
    assert page([]).keys() == {"prev_key": None, "next_key": None}


def test_a_key_of_another_list_is_refused():
    key = KEYS.make("others", (3,))
    with pytest.raises(Invalid):
        page(range(10), next_key=key)
