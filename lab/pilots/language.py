"""What mails about enquiries say, in the language of whoever asked; `locales/*.po` hold what is not English."""

from pathlib import Path

from lab.core.catalogues import Tongue

LOCALES = Path(__file__).parent / "locales"
say = Tongue(LOCALES).say
