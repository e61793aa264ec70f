# The inputs of every run: the resolved configuration, the problem files and the seed pictures.


# The configuration is written before the first job.  It is no output of a rule: Snakemake would then repeat every job
# that depends on it, without comparing settings.  Instead, each rule names its own settings in params.
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


# Three rules write the problem files of all tasks of their kind.
include: "generated.smk"
include: "published.smk"
include: "reasoning_gym.smk"


# A task may have a rule of its own: the file of the task's name in workflow/rules/tasks.
for name in sorted(OWN_TASKS.keys() & CONFIG.tasks.keys()):

    include: OWN_TASKS[name]
