"""Save a random model of a configuration; runs with the peers' Python.

Run:  python save_random.py CONFIG_AS_JSON FOLDER
"""

from __future__ import annotations

import json
import sys

import torch
from transformers import AutoConfig, AutoModel, T5EncoderModel


def main() -> None:
    """Save it in fp32, as a new model is before training."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(**json.loads(sys.argv[1]))
    model = T5EncoderModel(config) if config.model_type == "t5" else AutoModel.from_config(config)
    model.to(torch.float32).save_pretrained(sys.argv[2])


if __name__ == "__main__":
    main()
