"""The pages in a real browser: stories of each role, accessibility, pictures."""
