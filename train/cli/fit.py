"""``python -m train fit``."""

from .lightning_command import lightning_command

COMMAND = lightning_command(
    "fit",
    "train; goes on from --ckpt_path FILE",
    ("python -m train fit --config train/configs/table_2/ours.yaml", "a row of the papers' tables"),
    (
        "python -m train fit --config train/configs/table_2/ours.yaml --trainer.max_epochs 2 --out runs/try",
        "the same, shorter, into a folder of its own",
    ),
)
