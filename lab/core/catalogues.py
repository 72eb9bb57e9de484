"""Catalogues of translations, read from the files that translators edit."""

from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


def read_catalogue(path: Path, language: str) -> GNUTranslations:
    """A catalogue, ready to translate.

    Args:
        path: of the `.po` file.
        language: its code.
    """
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
