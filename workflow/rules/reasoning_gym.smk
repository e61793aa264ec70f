# Tasks with the scorer reasoning_gym: each is the data set of its name.  The seed of hashes makes the package's generators
# repeatable.


rule reasoning_gym:
    input:
        code=reader_code,
    output:
        multiext(f"{RESULTS}/tasks/{{task}}/", *PROBLEM_FILES),
    log:
        f"{RESULTS}/logs/tasks/{{task}}.log",
    wildcard_constraints:
        task=one_of(REASONING_GYM),
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        out=subpath(output[0], parent=True),
        settings=task_settings,
    shell:
        "PYTHONHASHSEED=0 art prepare {wildcards.task} --config {params.config} --out {params.out} > {log} 2>&1"
