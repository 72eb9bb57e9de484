"""Dead letters: how many are kept, how they are shown, and how they are read again when their cause is mended."""
