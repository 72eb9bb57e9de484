"""Forms of a page as a browser sees and sends them."""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self, action: str, method: str) -> None:
        super().__init__()
        self.action, self.method = action, method
        self.fields: dict[str, str] = {}
        self.found = self._inside = False
        self._select = self._area = ""
        self._first = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("action") == self.action and given.get("method", "get") == self.method
            self.found |= self._inside
        if not self._inside:
            return
        name = given.get("name", "")
        if tag == "input" and name and (given.get("type") not in {"checkbox", "radio"} or "checked" in given):
            self.fields[name] = given.get("value", "")
        elif tag == "textarea":
            self._area = name
            self.fields[name] = ""
        elif tag == "select":
            self._select, self._first = name, True
        elif tag == "option" and (self._first or "selected" in given):
            self.fields[self._select], self._first = given.get("value", ""), False

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data


def form_fields(page: str, action: str, *, method: str = "post") -> dict[str, str]:
    """What a browser would send of a form that nobody has touched, without its buttons.

    Raises:
        AssertionError: if the page has no such form.
    """
    reader = _Reader(action, method)
    reader.feed(page)
    assert reader.found, f"no form leads to {action}"
    return reader.fields
