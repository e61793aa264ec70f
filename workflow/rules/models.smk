# The reference models are shipped in checkpoints/.  These rules train them again, one for each file of config/pretrain.

# The corpus has the tasks of all generators, and the model card says how well the model solves them.
PRETRAINING_MODULES = [module_file(entry) for entry in (*GENERATORS.values(), *SCORERS.values())]
REFERENCES = [Path(path).stem for path in sorted(Path("config/pretrain").glob("*.yaml"))]


rule pretrain:
    input:
        expand("results/pretrain/{reference}/model.safetensors", reference=REFERENCES),


localrules:
    pretrain,


rule reference_model:
    input:
        config="config/pretrain/{reference}.yaml",
        code=source_files("pretraining/train.py", "pretraining/card.py", *PRETRAINING_MODULES),
    output:
        "results/pretrain/{reference}/model.safetensors",
    log:
        "results/logs/pretrain/{reference}.log",
    wildcard_constraints:
        reference=one_of(REFERENCES),
    priority: 20
    conda:
        "../../environment.yml"
    params:
        out=subpath(output[0], parent=True),
    shell:
        "art pretrain --config {input.config} --out {params.out} > {log} 2>&1"
