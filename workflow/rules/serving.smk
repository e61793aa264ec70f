# Serving check: an unmodified vLLM serves the artifacts of a model and task.  It measures times, so it takes all cores,
# and no other job runs beside it.


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
