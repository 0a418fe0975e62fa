"""``python -m train validate``."""

from .lightning_command import lightning_command

COMMAND = lightning_command(
    "validate",
    "measure on the validation set",
    ("python -m train validate --config train/configs/table_2/ours.yaml", "with the configuration's weights"),
    (
        "python -m train validate --config train/configs/table_2/ours.yaml "
        "--ckpt_path runs/table_2/ours/checkpoints/last.ckpt",
        "with those of a run",
    ),
)
