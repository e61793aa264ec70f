# The artefacts of a model and task, served by an unmodified vLLM.  The times are those of a machine that does nothing else.


def served(file):
    """A file, or folder, of every run whose artefact is served."""

    def paths(wildcards):
        return [f"{RESULTS}/{run.folder}/{file}" for run in CONFIG.served_runs(wildcards.model, wildcards.task)]

    return paths


def serving_digest(wildcards):
    """Hash of the settings that a check depends on."""
    return CONFIG.serving_digest(wildcards.model, wildcards.task)


def serving_code(wildcards):
    """What a check runs, and what its runs pick."""
    runs = CONFIG.served_runs(wildcards.model, wildcards.task)
    files = {file for run in runs for file in picked(run)}
    return code("art/serve_check.py", *sorted(files))


rule serve_check:
    input:
        model_files,
        served("run.json"),
        artifacts=served("artifact"),
        problems=f"{RESULTS}/tasks/{{task}}/test.jsonl",
        code=serving_code,
    output:
        multiext(f"{RESULTS}/serving/{{model}}/{{task}}/", *SERVING_FILES),
    log:
        f"{RESULTS}/logs/serving/{{model}}/{{task}}.log",
    conda:
        "../../environment.yml"
    threads: workflow.cores
    params:
        config=CONFIG_FILE,
        results=results_folder,
        digest=serving_digest,
    shell:
        "art serve-check --config {params.config} --model {wildcards.model} --task {wildcards.task} "
        "--results {params.results} > {log} 2>&1"
