#!/bin/bash
# Training on two machines with four GPUs each, queued again and resumed when Slurm takes the job away:
#
#     sbatch train/slurm.sh train/configs/table_2/ours.yaml
#
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --signal=SIGUSR1@90
#SBATCH --requeue
set -eu
srun python -m train fit --config "$1" --trainer.num_nodes "$SLURM_NNODES" --trainer.devices 4 \
    --trainer.strategy ddp --ckpt_path last "${@:2}"
