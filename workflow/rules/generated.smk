# Problem files of all tasks of the project's own generators (GENERATORS of art/config/registry.py).


rule generated:
    input:
        code=generator_code,
    output:
        multiext(f"{RESULTS}/tasks/{{task}}/", *PROBLEM_FILES),
    log:
        f"{RESULTS}/logs/tasks/{{task}}.log",
    wildcard_constraints:
        task=one_of(GENERATED),
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        out=subpath(output[0], parent=True),
        settings=task_settings,
    shell:
        "art generate {wildcards.task} --config {params.config} --out {params.out} > {log} 2>&1"
