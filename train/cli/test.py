"""``python -m train test``."""

from .lightning_command import lightning_command

COMMAND = lightning_command(
    "test",
    "measure on the test set",
    ("python -m train test --config train/configs/table_2/ours.yaml", "with the configuration's weights"),
    (
        "python -m train test --config train/configs/table_2/ours.yaml "
        "--ckpt_path runs/table_2/ours/checkpoints/last.ckpt",
        "with those of a run; figures go into runs/table_2/ours/test.json",
    ),
)
