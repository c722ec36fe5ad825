# From raw simulations to a surrogate that answers: see README.md. `snakemake --cores 2` runs it all.
#
# Every rule passes its script only the sections of the configuration that it depends on, as params: a changed key
# reruns what depends on it and nothing else.
from snakemake.utils import min_version

min_version("9.0")


# Without --configfile it is the default; a file that is named stands alone: what it leaves out has the default value.
if not (config or workflow.overwrite_configfiles):

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/results.smk"


rule all:
    default_target: True
    input:
        f"{RESULTS}/surrogate/bundle.json",
        f"{RESULTS}/metrics.md",
        f"{RESULTS}/captions",
        figure_files(),


rule corpus:
    input:
        f"{RESULTS}/corpus.json",


rule figures:
    input:
        figure_files(),
