"""Tables and sentences: what a pipeline run found, spelled for a reader."""

from surrogate.report.captions import captions, landing
from surrogate.report.page import conclusions, made_by, summary_page
from surrogate.report.table import metrics_table, set_beside

__all__ = ["captions", "conclusions", "landing", "made_by", "metrics_table", "set_beside", "summary_page"]
