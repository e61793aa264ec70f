# The paper.  Its source reads the generated data, tables and figures; no result is typed in it.


rule typeset:
    input:
        DATA_FILES,
        TABLE_FILES,
        FIGURE_FILES,
        "paper/references.bib",
        code=source_files("analysis/paper.py"),
        source="paper/paper.typ",
    output:
        report(PAPER_FILE, caption="../report/paper.rst", category="Paper"),
    log:
        f"{RESULTS}/logs/paper.log",
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        settings=CONFIG.model_dump_json(exclude={"models"}),
    shell:
        "python -m analysis.paper --source {input.source} --config {params.config} --out {output} > {log} 2>&1"
