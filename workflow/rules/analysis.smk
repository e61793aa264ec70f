# Tidy CSV files from the runs; tables and figures from the CSV files.  A figure reads only the CSV files (and stored
# pictures), so a changed figure trains and scores nothing.  Each file in analysis/figures is a figure.


rule measure:
    input:
        EVALUATIONS,
        ITEMS,
        TRAINED,
        STORED,
        PICTURES,
        SERVING,
        code=source_files(*sorted({module_file(entry) for entry in DATA.values()})),
    output:
        DATA_FILES,
    log:
        f"{RESULTS}/logs/analysis/measure.log",
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        results=results_folder,
        out=subpath(output[0], parent=True),
        settings=CONFIG.analysis.model_dump_json(),
        entries=str(DATA),
    shell:
        "python -m analysis measure --config {params.config} --results {params.results} --out {params.out} > {log} 2>&1"


rule tables:
    input:
        DATA_FILES,
        "analysis/published.csv",
        code=source_files("analysis/tables/format.py", *sorted({module_file(table.build) for table in TABLES.values()})),
    output:
        [
            report(
                f"{PAPER}/tables/{name}.csv",
                caption=f"../report/table_{name}.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in TABLES
        ],
        [f"{PAPER}/tables/{name}.{end}" for name in TABLES for end in ("tex", "md")],
    log:
        f"{RESULTS}/logs/analysis/tables.log",
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        results=results_folder,
        out=subpath(output[0], parent=True),
        settings=CONFIG.model_dump_json(exclude={"models"}),
        entries=str(TABLES),
    shell:
        "python -m analysis tables --config {params.config} --results {params.results} --out {params.out} > {log} 2>&1"


for name in FIGURES:

    rule:
        name:
            f"figure_{name}"
        input:
            DATA_FILES,
            STORED,
            code=source_files("analysis/figures/__init__.py", f"analysis/figures/{name}.py"),
        output:
            f"{PAPER}/figures/{name}.pdf",
            report(
                f"{PAPER}/figures/{name}.png",
                caption=f"../report/figure_{name}.rst",
                category="Figures",
                labels={"figure": name},
            ),
        log:
            f"{RESULTS}/logs/analysis/figure_{name}.log",
        conda:
            "../../environment.yml"
        params:
            config=CONFIG_FILE,
            name=name,
            results=results_folder,
            out=subpath(output[0], parent=True),
        shell:
            "python -m analysis figure {params.name} --config {params.config} --results {params.results} "
            "--out {params.out} > {log} 2>&1"
