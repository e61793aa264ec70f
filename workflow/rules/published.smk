# Problem files of all tasks of published data sets (READERS of art/config/registry.py), except those of reasoning-gym.


rule published:
    input:
        task_source,
        code=reader_code,
    output:
        multiext(f"{RESULTS}/tasks/{{task}}/", *PROBLEM_FILES),
    log:
        f"{RESULTS}/logs/tasks/{{task}}.log",
    wildcard_constraints:
        task=one_of(PUBLISHED),
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        out=subpath(output[0], parent=True),
        settings=task_settings,
    shell:
        "art prepare {wildcards.task} --config {params.config} --out {params.out} > {log} 2>&1"
