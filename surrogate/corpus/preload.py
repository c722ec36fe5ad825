"""What a worker process imports before it is given work.

Without the garbage collector, which would look through all modules again and again while they are imported, and again
with every run: a third of the time of the imports.
"""

import gc

gc.disable()
import surrogate.corpus.stage  # noqa: E402, F401

gc.freeze()
gc.enable()
