# One run: a method, trained on a task with a frozen model.  The checkpoints in the run's folder are no outputs, so they
# outlive a killed job; the command itself discards checkpoints of other settings.  Methods without a picture have an
# empty folder of snapshots.


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
