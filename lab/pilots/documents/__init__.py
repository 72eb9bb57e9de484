"""Documents and photos of a pilot: kept by their content, seen by the pilot's own company and the lab's staff."""
