"""Lets torchvision's CUDA-linked wheel be imported beside a CPU build of torch (see vllm-cpu.sh).

Its compiled operators cannot be loaded there, and it describes two of them on import, which fails for operators that do
not exist.  They are declared here first; nothing calls them.  The declaration waits for torchvision's own import, so
that Python does not import torch at every start.
"""

import importlib.abc
import sys


class _DeclareOperators(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            self.library = torch.library.Library("torchvision", "DEF")  # its operators live as long as it does
            for operator in ("nms", "qnms"):
                self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            sys.modules[__name__].finder = self
        return None


sys.meta_path.insert(0, _DeclareOperators())
