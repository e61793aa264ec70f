# What every run starts from: the resolved configuration, the problems (a file a task) and the seed pictures.


# Written before the first job and no job's input: Snakemake would take every job downstream of a rule that is to run as
# decided and not compare its settings.  Settings count through params instead, each rule naming its own.
onstart:
    shell("art config --json {CONFIG_JSON:q} --out {CONFIG_FILE}")


rule seed_picture:
    input:
        code=picture_code,
    output:
        f"{RESULTS}/seeds/{{task}}.png",
    log:
        f"{RESULTS}/logs/seeds/{{task}}.log",
    conda:
        "../../environment.yml"
    params:
        config=CONFIG_FILE,
        settings=CONFIG.image.model_dump_json(),
    shell:
        "art draw {wildcards.task} --config {params.config} --out {output} > {log} 2>&1"


# Problem files: three rules that serve all tasks of their kind.
include: "generated.smk"
include: "published.smk"
include: "reasoning_gym.smk"


# A task's own rule: a file in workflow/rules/tasks of the task's name.
for name in sorted(OWN_TASKS.keys() & CONFIG.tasks.keys()):

    include: OWN_TASKS[name]
