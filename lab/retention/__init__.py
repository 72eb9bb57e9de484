"""How long what is kept.

A manager sets for how many days samples are kept, for the lab and for single pilots; where nothing is set, the
installation's settings hold. Once a day what is older is deleted. Kept all the same is what a run needs that goes on or
whose pilot is not sealed yet. A sealed data set is no sample any more: it stays until its own date, and for ever where
it has none.
"""
