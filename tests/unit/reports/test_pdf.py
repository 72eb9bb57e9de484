"""The PDF: it says what the results say, literally, and it is the same every time."""

import functools
import io
from datetime import UTC, datetime

import pypdf
import pytest

from lab.reports.charts import draw_charts
from lab.reports.pdf import render_pdf
from lab.reports.results import Results
from lab.reports.streams import end_streams_clearly
from tests.unit.reports.report_examples import example_document, example_results, polish, with_texts

SEALED = datetime(2026, 11, 23, 12, tzinfo=UTC)


@functools.cache
def charts() -> dict[str, bytes]:
    """Drawn once: what these tests look at is the text."""
    return draw_charts(example_results())


def pdf_of(results: Results) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(render_pdf(results, charts(), timestamp=SEALED)))


def text_of(reader: pypdf.PdfReader) -> str:
    """All text, one space between words, so that line breaks do not matter."""
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def letters_of(reader: pypdf.PdfReader) -> str:
    return text_of(reader).replace(" ", "")


def test_title_author_and_language_are_set():
    reader = pdf_of(example_results())
    assert reader.metadata is not None
    assert reader.metadata.title == "Pilot report PL-2026-001-R1: Faster feed"
    assert reader.metadata.author == "Lab"
    assert reader.metadata.creation_date == SEALED
    assert reader.trailer["/Root"]["/Lang"] == "en"


def test_a_polish_report_says_that_it_is_polish():
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(polish(), charts(), timestamp=SEALED)))
    assert reader.trailer["/Root"]["/Lang"] == "pl"
    assert "Inwestować" in reader.pages[0].extract_text()
    assert f"Strona 1 z {len(reader.pages)}" in " ".join(reader.pages[0].extract_text().split())


def test_the_first_page_alone_lets_one_decide():
    results = example_results()
    page = "".join(pdf_of(results).pages[0].extract_text().split())
    wanted = [results.question, results.answer, results.verdict.value, results.grade.label, results.next_step]
    wanted += [number.text for number in results.key_numbers]
    wanted += [*results.verdict_reasons, *results.risks, *results.not_tested, *results.statements]
    wanted += [f"plan hash {results.plan.sha256[:12]}", results.plan.locked_by]
    for text in wanted:
        assert "".join(text.split()) in page, text


@pytest.mark.parametrize(
    "text",
    [
        '#import "x"',
        "*bold* _it_ $x^2$ `c` @ref <lbl> // no /* no */ -- ...",
        "\\ #{panic()} [a](b) = heading",
        "<script>alert(1)</script> {{ 7*7 }} {page}",
        "Zażółć gęślą jaźń, Żywiec & Łódź",
        "Завод Ελλάς",
    ],
)
def test_what_people_type_comes_out_letter_by_letter(text):
    assert letters_of(pdf_of(with_texts(text))).count(text.replace(" ", "")) > 10


def test_a_word_longer_than_the_page_is_broken_and_stays_copyable():
    word = "Donaudampfschifffahrtsgesellschaftskapitaen" * 4
    text = "".join("".join(page.extract_text().split()) for page in pdf_of(with_texts(word)).pages[:2])
    assert word in text
    assert "\u200b" not in text


def test_letters_that_no_font_has_are_named_by_their_number():
    text = letters_of(pdf_of(with_texts("株 A\x00B\u202eC 😀")))
    assert "[U+682A]A\ufffdB\ufffdC[U+1F600]" in text


def test_criteria_written_after_the_data_are_said_on_the_first_page_and_beside_the_criteria():
    document = example_document()
    document["plan"].update(written_after_data=True, written_after_data_sentence="The data came first.")
    reader = pdf_of(Results.model_validate(document))
    assert "The data came first." in reader.pages[0].extract_text()
    assert text_of(reader).count("The data came first.") == 2


def test_every_page_says_which_report_which_data_and_which_page():
    results = example_results()
    reader = pdf_of(results)
    for number, page in enumerate(reader.pages, start=1):
        text = " ".join(page.extract_text().split())
        assert f"Report {results.identification.report_number}, version 1" in text
        assert f"Data {results.manifest.sha256[:12]}" in text
        assert f"Page {number} of {len(reader.pages)}" in text


def test_a_long_decision_still_fits_the_first_page():
    document = example_document()
    document["risks"] = [f"Risk {n}: " + "something that may go wrong, " * 3 for n in range(9)]
    document["not_tested"] = [f"Number {n}: " + "something that was not tried, " * 3 for n in range(9)]
    reader = pdf_of(Results.model_validate(document))
    assert document["next_step"].split()[-1] in reader.pages[0].extract_text()
    assert "and 6 more" in reader.pages[0].extract_text()
    assert "Identification" in reader.pages[1].extract_text()


def small_pdf(data: bytes) -> bytes:
    """The smallest PDF with a stream that is written as typst writes them."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
        b"<<\n  /Length %d\n>>\nstream\n%b\nendstream" % (len(data), data),
        b"<</Length 0>>\nstream\n\nendstream",
    ]
    body, offsets = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n\n" % (number, part)
    entries = b"0000000000 65535 f\r\n" + b"".join(b"%010d 00000 n\r\n" % offset for offset in offsets)
    table = b"xref\n0 6\n" + entries + b"trailer\n<</Size 6/Root 1 0 R>>\n"
    return body + table + b"startxref\n%d\n%%%%EOF" % len(body)


def test_a_stream_that_ends_in_a_carriage_return_is_told_from_its_end_of_line():
    before = small_pdf(b"0 0 m\r")
    after = end_streams_clearly(before)
    assert b"0 0 m\r\r\nendstream" in after
    assert len(after) == len(before) + 1
    reader = pypdf.PdfReader(io.BytesIO(after), strict=True)
    assert reader.pages[0].get_contents().get_data().startswith(b"0 0 m")
    assert reader.get_object(5).get_data() == b""
    start = int(after.split(b"startxref\n")[1].split(b"\n")[0])
    assert after[start : start + 4] == b"xref"


@pytest.mark.parametrize("pdf", [small_pdf(b"0 0 m"), small_pdf(b"0 0 m\n"), b"no PDF at all", b""])
def test_other_files_stay_as_they_are(pdf):
    assert end_streams_clearly(pdf) == pdf
