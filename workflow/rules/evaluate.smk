# Evaluation: held-out problems, answered with the stored artifact.


rule evaluate:
    input:
        model_files,
        f"{RUN}/run.json",
        artifact=f"{RUN}/artifact",
        problems=f"{RESULTS}/tasks/{{task}}/test.jsonl",
        code=evaluate_code,
    output:
        f"{RUN}/items.jsonl",
        f"{RUN}/evaluation.json",
    log:
        f"{RUN_LOG}.evaluate.log",
    conda:
        "../../environment.yml"
    threads: evaluate_threads
    params:
        config=CONFIG_FILE,
        results=results_folder,
        digest=evaluation_digest,
    shell:
        "art evaluate --config {params.config} --model {wildcards.model} --task {wildcards.task} "
        "--method {wildcards.method} --seed {wildcards.seed} --results {params.results} > {log} 2>&1"
