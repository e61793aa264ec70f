# One run: a method, trained on a task before a frozen model.  Checkpoints in the run's folder are no outputs, so
# that they outlive a job that was killed; the command itself drops those of other settings.  Methods without a picture
# store no snapshots: their folder is empty.


rule train:
    input:
        model_files,
        problems=[f"{RESULTS}/tasks/{{task}}/train.jsonl", f"{RESULTS}/tasks/{{task}}/validation.jsonl"],
        picture=f"{RESULTS}/seeds/{{task}}.png",
        code=train_code,
    output:
        f"{RUN}/run.json",
        f"{RUN}/train.jsonl",
        directory(f"{RUN}/artifact"),
        snapshots=directory(f"{RUN}/snapshots"),
    log:
        f"{RUN_LOG}.train.log",
    priority: 10
    conda:
        "../../environment.yml"
    threads: train_threads
    params:
        config=CONFIG_FILE,
        results=results_folder,
        digest=run_digest,
    shell:
        "art train --config {params.config} --model {wildcards.model} --task {wildcards.task} "
        "--method {wildcards.method} --seed {wildcards.seed} --results {params.results} > {log} 2>&1 "
        "&& mkdir -p {output.snapshots}"
