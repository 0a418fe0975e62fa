"""``python -m train predict``."""

from .lightning_command import lightning_command

COMMAND = lightning_command(
    "predict",
    "write the answers for the test set",
    ("python -m train predict --config train/configs/table_2/ours.yaml", "into runs/table_2/ours"),
    (
        "python -m train predict --config train/configs/table_2/ours.yaml "
        "--ckpt_path runs/table_2/ours/checkpoints/last.ckpt --out runs/answers",
        "with the weights of a run, into a folder of their own",
    ),
)
