"""The explorer: a web page that asks a trained surrogate as fast as a slider moves.

What stands behind the page (:class:`Explorer`, :class:`Simulations`, the pictures) needs no web framework; page and
server (:func:`serve`) need the extra ``explore``.
"""

from surrogate.explore.explorer import ExploreError, Explorer, NearRun, Simulations
from surrogate.explore.serving import serve

__all__ = ["ExploreError", "Explorer", "NearRun", "Simulations", "serve"]
