# Targets that run another configuration: Snakemake calls itself with that file, which has its own results folder.


rule smoke:
    input:
        "config/smoke.yaml",
    log:
        "results/logs/smoke.log",
    conda:
        "../../environment.yml"
    threads: workflow.cores
    shell:
        "snakemake --configfile {input} --cores {threads} 2>&1 | tee {log}"


rule search:
    input:
        "config/search.yaml",
    log:
        "results/logs/search.log",
    conda:
        "../../environment.yml"
    threads: workflow.cores
    shell:
        "snakemake --configfile {input} --cores {threads} search_table 2>&1 | tee {log}"


rule search_table:
    # Training only: validation accuracy decides, and no test problem is read.
    input:
        TRAINED,
        code=source_files("analysis/search.py"),
    output:
        f"{RESULTS}/analysis/search.csv",
    log:
        f"{RESULTS}/logs/analysis/search.log",
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        results=results_folder,
    shell:
        "python -m analysis search --config {params.config} --results {params.results} --out {output} > {log} 2>&1"


localrules:
    smoke,
    search,
