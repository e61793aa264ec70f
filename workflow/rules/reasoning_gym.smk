# Problem files of all tasks with the scorer reasoning_gym; a task has the name of its data set.  The package's
# generators give the same problems again only with the same PYTHONHASHSEED.


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
