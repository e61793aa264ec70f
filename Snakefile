# The targets, and the files with their rules.
#
#   snakemake            everything: runs, tables, figures, paper
#   snakemake figures    figures only; finished runs are not trained again
#   snakemake paper      paper.pdf
#   snakemake smoke      every step once, with toy settings, into results/smoke
#   snakemake search     the search of hyper-parameters on validation problems, into results/search
#   snakemake pretrain   trains the reference models again, into results/pretrain (hours)
#
# A file given by --configfile is a whole experiment and replaces the default one; --config changes single keys of it.
if not workflow.configfiles:

    configfile: "config/default.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/code.smk"


rule all:
    default_target: True
    input:
        TRAINED,
        STORED,
        ITEMS,
        EVALUATIONS,
        SERVING,
        DATA_FILES,
        TABLE_FILES,
        FIGURE_FILES,
        PAPER_FILE,


rule figures:
    input:
        FIGURE_FILES,


rule paper:
    input:
        PAPER_FILE,


localrules:
    all,
    figures,
    paper,


include: "workflow/rules/prepare.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/serving.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/other_configs.smk"
