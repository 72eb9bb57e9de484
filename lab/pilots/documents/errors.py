"""What can be wrong with a document of a pilot.

InvalidError
├── DocumentKindError      what is in the file is of no kind that is taken, or is damaged
├── DocumentSizeError      an empty file, or one that is too large
├── AltTextMissingError    a photo in the report without words for who cannot see it
└── RemovalReasonError     a removal without its reason
NotFoundError
└── DocumentUnknownError   the pilot has no such document, or it was removed
ConflictError
├── DocumentThereError     the pilot has a document of this content
├── DocumentsFullError     the pilot has as many documents as it can have
└── DocumentSealedError    a sealed report shows it
UnavailableError
└── DocumentNotKeptError   it could not be written, because the disk is full for example
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError, UnavailableError


class DocumentKindError(InvalidError):
    """What is in the file is of no kind that is taken, or is damaged."""


class DocumentSizeError(InvalidError):
    """An empty file, or one that is too large. Facts: `limit`, in bytes."""


class AltTextMissingError(InvalidError):
    """A photo in the report without words for who cannot see it."""


class RemovalReasonError(InvalidError):
    """A removal without its reason."""


class DocumentUnknownError(NotFoundError):
    """The pilot has no such document, or it was removed."""


class DocumentThereError(ConflictError):
    """The pilot has a document of this content. Facts: `document_id`."""


class DocumentsFullError(ConflictError):
    """The pilot has as many documents as it can have."""


class DocumentSealedError(ConflictError):
    """A sealed report shows it."""


class DocumentNotKeptError(UnavailableError):
    """The document could not be written, because the disk is full for example."""
