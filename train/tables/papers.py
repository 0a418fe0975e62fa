"""The numbers that the papers print, row by row, and which configuration repeats a row.

Paper B: "Attention Module for Enhanced Posture Accurate in 2D-3D Pose Estimation Network", tables I
to X. Paper A: "MoEmo Vision Transformer", arXiv 2310.09757; its tables were not at hand, only the
numbers its text and abstract state. The numbers are the papers' even where they contradict one
another (see the notes); None: not printed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from train.data.h36m import ACTIONS

Values = tuple["float | None", ...]


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: As printed.
        key: Of our result: ``metrics/AP``, ``per_action/Walking/mpjpe_mm``, ``parameters``.
        scale: From our unit to the printed one.
        digits: After the point.
    """

    name: str
    key: str
    scale: float = 1.0
    digits: int = 1


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        label: The method.
        paper: The paper's numbers, one per column; empty where the paper has no such row.
        config: Configuration under ``train/configs``; empty for a method that is not in this package.
        note: What a reader should know.
    """

    label: str
    paper: Values = ()
    config: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: As the command takes it.
        title: One line.
        columns, rows: See there.
        notes: Below the table.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: str = ""


def _percent(*names: str) -> tuple[Column, ...]:
    return tuple(Column(n, f"metrics/{n}", 100) for n in names)


PARAMS = Column("#Param M", "parameters", 1e-6, 2)
COCO = (PARAMS, *_percent("AP", "AR", "AP50", "AP75", "APL", "APM"))
MPJPE = Column("MPJPE mm", "per_action/average/mpjpe_mm")
P_MPJPE = Column("P-MPJPE mm", "per_action/average/p_mpjpe_mm")
MPJVE = Column("MPJVE mm", "per_action/average/mpjve_mm", 1, 2)
SHORT = (
    "Dir",
    "Disc",
    "Eat",
    "Greet",
    "Phone",
    "Photo",
    "Pose",
    "Punch",
    "Sit",
    "SitD",
    "Smoke",
    "Wait",
    "WalkD",
    "Walk",
    "WalkT",
)  # in the order of ACTIONS


def _per_action(metric: str) -> tuple[Column, ...]:
    names = (*zip(SHORT, ACTIONS, strict=True), ("Avg", "average"))
    return tuple(Column(short, f"per_action/{action}/{metric}") for short, action in names)


def _numbers(text: str) -> Values:
    return tuple(None if word == "-" else float(word) for word in text.split())


def _row(label: str, numbers: str, config: str = "", note: str = "") -> Row:
    return Row(label, _numbers(numbers), config, note)


TABLE_I = Table(
    "I",
    "COCO val2017, 256 x 192, boxes of the detector with 56.4 AP on persons (paper B)",
    COCO,
    (
        _row("Fine-tune Attention, ResNet-50", "31.2 71.4 76.3 91.6 78.6 75.7 68.2"),
        _row("Fine-tune Attention, ResNet-101", "50.2 72.3 77.1 92.0 79.4 77.1 68.3"),
        _row("HRNet-W32, not pre-trained", "28.5 73.4 78.9 89.5 80.7 80.1 70.2", "table_1/hrnet_w32"),
        _row("HRNet-W32, pre-trained", "28.5 74.4 79.8 90.5 81.9 81.0 70.8", "table_1/hrnet_w32_released"),
        _row("HRNet-W48, pre-trained", "63.6 75.1 80.4 90.6 82.2 81.8 71.5", "table_1/hrnet_w48_released"),
        _row("Zhang, HRNet-W32", "29.2 74.8 77.6 92.5 81.6 79.3 72.0"),
        _row("Zhang, Hourglass-8", "25.8 75.1 80.4 90.6 82.6 81.9 71.6"),
        _row(
            "MogaNet-T", "8.1 73.2 90.1 81.0 78.8 - -", note="columns shifted in print: 90.1 is AP50, 78.8 AR"
        ),
        _row("MogaNet-S", "29 74.9 90.7 82.8 80.1 - -", note="columns shifted in print"),
        _row("PPE-Net", "- 75.7 - 90.3 76.3 80.7 79.5"),
        _row(
            "Ours W32, module after every block",
            "29.5 75.7 80.6 90.6 82.1 82.4 71.3",
            "table_1/ours_w32_all",
            "the placement whose parameters fit the print",
        ),
        Row("Ours W32, six modules", (), "table_1/ours_w32_six", "what the text says; +3,456 parameters"),
        _row(
            "Ours W48, module after every block, s = 3",
            "66.2 76.1 80.9 90.7 82.7 82.9 71.9",
            "table_1/ours_w48_all",
            "s = 3 fits the printed parameters; the text says 4",
        ),
    ),
    "The official HRNet code gives 74.4 and 75.1 AP for the released weights.",
)

CPN_P1 = """
Martinez|51.8 56.2 58.1 59.0 69.5 78.4 55.2 58.1 74.0 94.6 62.3 59.1 65.1 49.5 52.4 62.9
Fang|50.1 54.3 57.0 57.1 66.6 73.3 53.4 55.7 72.8 88.6 60.3 57.7 62.7 47.5 50.6 60.4
Li|47.0 47.1 49.3 50.5 53.9 58.5 48.8 45.5 55.2 68.6 50.8 47.5 53.6 42.3 45.6 50.9
Zhen|45.4 49.2 45.7 49.4 50.4 58.2 47.9 46.0 57.5 63.0 49.7 46.6 52.2 38.9 40.8 49.4
Xu|45.2 49.9 47.5 50.9 54.9 66.1 48.5 46.3 59.7 71.5 51.4 48.6 53.9 39.9 44.1 51.9
PoseFormer|41.5 44.8 39.8 42.5 46.5 51.6 42.1 42.0 53.3 60.7 45.5 43.3 46.1 31.8 32.2 44.3|table_2/poseformer
Ours|45.0 48.3 46.6 49.8 46.6 59.0 48.7 41.9 57.7 60.2 45.1 48.2 45.8 41.0 45.1 43.1|table_2/ours
"""
CPN_P2 = """
Fang|38.2 41.7 43.7 44.9 48.5 55.3 40.2 38.2 54.5 64.4 47.2 44.3 47.3 36.7 41.7 45.7
Pavllo|34.1 36.1 34.4 37.2 36.4 42.2 34.4 33.6 45.0 52.5 37.4 33.8 37.8 25.6 27.3 36.5
Yang [30]|26.9 30.9 36.3 39.9 43.9 47.4 28.8 29.4 36.9 58.4 41.5 30.5 29.5 42.5 32.2 37.7
PoseFormer|30.0 33.6 29.9 31.0 30.2 35.4 37.4 34.5 46.9 50.1 40.5 36.1 41.0 29.6 33.2 39.0|table_2/poseformer
Li|34.5 34.9 37.6 39.6 38.8 45.9 34.8 33.0 40.8 51.6 38.0 35.7 40.2 30.2 34.8 38.0
Ours|34.1 36.0 36.4 39.9 39.4 45.0 35.9 32.8 43.1 52.1 37.3 36.6 39.7 30.2 35.8 38.3|table_2/ours
"""
GT_P1 = """
Martinez|37.7 44.4 40.3 42.1 48.2 54.9 44.4 42.1 54.6 58.0 45.1 46.4 47.6 36.4 40.4 45.5
Fang|32.1 36.6 34.3 37.8 44.5 49.9 40.9 36.2 44.1 45.6 35.3 35.9 30.3 37.6 35.6 38.4
Li|32.9 38.7 32.9 37.0 37.3 44.8 38.8 36.1 41.2 45.6 36.8 37.7 37.7 29.5 31.6 37.2
Zhen|45.4 49.2 45.7 49.4 50.4 58.2 47.9 31.7 38.5 45.5 35.4 36.6 36.2 28.9 30.8 35.8
Xu|35.8 38.1 47.5 31.4 39.6 35.8 45.5 35.8 40.7 41.4 33.0 33.8 33.0 26.6 26.9 34.7
Xue|35.0 37.2 46.6 30.8 38.7 35.1 44.3 34.9 40.1 41.0 32.1 33.6 32.5 26.0 26.1 33.3
Chen|- - - - - - - - - - - - - - - 32.3
PoseFormer|34.8 32.1 29.8 31.5 36.9 35.6 30.5 30.5 38.9 40.5 32.5 31.0 29.9 22.5 24.6 32.0|table_3/poseformer
Ours|27.9 29.9 26.6 27.8 28.6 32.8 31.1 26.7 36.5 35.5 30.0 29.8 27.5 19.6 19.7 31.0|table_3/ours
"""


def _rows(text: str) -> tuple[Row, ...]:
    return tuple(_row(*line.split("|")) for line in text.strip().splitlines())


TABLE_II = Table(
    "II",
    "Human3.6M, protocol 1, CPN keypoints, f = 81, per action (paper B)",
    _per_action("mpjpe_mm"),
    (
        *_rows(CPN_P1),
        Row("CrossFormer, released", (), "table_2/crossformer_released"),
        Row("Ours, a pose per frame", (), "table_2/ours_sequence", "II.B.4 and equations 10 to 12"),
        Row("P-STMO-S, f = 243", (), "table_2/pstmo", "its paper: 43.0"),
        Row("MotionAGFormer-XS, f = 27", (), "motionagformer/xs", "its paper, other keypoints: 45.1"),
        Row("MotionAGFormer-S, f = 81", (), "motionagformer/s", "its paper, other keypoints: 42.5"),
    ),
    "The paper's own row means 48.60, not the printed 43.1. PoseFormer's code gives 44.3 for its weights, "
    "CrossFormer's checkpoint is named 44.4, P-STMO's paper has 42.8.",
)
TABLE_II_P2 = Table(
    "II-P2",
    "Human3.6M, protocol 2, CPN keypoints, f = 81, per action (paper B, Table II bottom)",
    _per_action("p_mpjpe_mm"),
    _rows(CPN_P2),
    "PoseFormer's row means 35.96, not the printed 39.0.",
)
TABLE_III = Table(
    "III",
    "Human3.6M, protocol 1, true 2D keypoints, f = 81, per action (paper B)",
    _per_action("mpjpe_mm"),
    (
        *_rows(GT_P1),
        Row("CrossFormer, released", (), "table_3/crossformer_released"),
        Row("Ours, a pose per frame", (), "table_3/ours_sequence", "II.B.4 and equations 10 to 12"),
        Row("P-STMO-S, f = 243", (), "table_3/pstmo", "its paper: 29.3"),
    ),
    "The paper's own row means 28.67, not the printed 31.0 (text: 28.3, Table V: 28.6). PoseFormer's "
    "code gives 31.3 for its weights, CrossFormer's checkpoint is named 28.5.",
)
TABLE_IV = Table(
    "IV",
    "MPI-INF-3DHP, true 2D keypoints (paper B)",
    (
        Column("PCK", "metrics/pck", 100),
        Column("AUC", "metrics/auc", 100),
        Column("MPJPE mm", "metrics/mpjpe_mm"),
    ),
    (
        _row("Pavllo (f = 81)", "86.0 51.9 84.0"),
        _row("Lin (f = 25)", "83.6 51.4 79.8"),
        _row("Li", "81.2 46.1 99.7"),
        _row("Chen", "87.9 54.0 78.8"),
        _row("PoseFormer (f = 9)", "88.6 56.4 75.5", "table_4/poseformer", "elsewhere published as 77.1"),
        _row("Ours (f = 9)", "89.1 57.5 76.3", "table_4/ours"),
        Row("Ours (f = 1)", (), "table_4/ours_1", "III.B names it, no table has it"),
        Row("Ours (f = 27)", (), "table_4/ours_27", "III.B names it, no table has it"),
        Row("P-STMO-S (f = 81)", (), "table_4/pstmo", "its paper: 97.9, 75.8, 32.2"),
    ),
    "PCK and AUC over the 14 joints of the official script, all over the frames of the six test sequences.",
)
TABLE_V = Table(
    "V",
    "2D keypoints of several detectors into the lifter, Human3.6M (paper B)",
    (MPJPE, P_MPJPE, MPJVE),
    (
        _row("CPN", "47.6 37.4 3.20", "table_2/ours", "43.3 in Table IX"),
        _row("Detectron2", "45.7 37 3.02", "table_5/detectron"),
        _row("Hourglass", "52.3 41.2 4.11", "table_5/hourglass", "16 joints, no nose"),
        _row("HRNet-W32", "45.1 36.3 2.91", "table_5/hrnet_w32"),
        _row("HRNet-W32 + AM", "43.6 35.1 2.77", "table_5/hrnet_w32_am"),
        _row("Ground truth", "28.6 24.5 0.98", "table_3/ours"),
    ),
)
TABLE_VI = Table(
    "VI",
    "Which modules, Human3.6M (paper B)",
    (PARAMS, MPJPE),
    (
        _row("PoseFormer", "- 44.3", "table_6/base"),
        _row("2D attention", "- 43.6", "table_6/am"),
        _row("SAM", "- 43.7", "table_8/sam_after_msa"),
        _row("TAM", "- 43.8", "table_8/tam_after_msa"),
        _row("SAM + TAM", "- 43.3", "table_2/ours"),
        _row("2D attention + SAM + TAM", "- 42.2", "table_5/hrnet_w32_am"),
    ),
)
TABLE_VII = Table(
    "VII",
    "Where attention modules stand in HRNet-W32, COCO val2017 (paper B)",
    (PARAMS, *_percent("AP")),
    (
        _row("none", "28.5 73.4", "table_1/hrnet_w32"),
        _row("sub-network 1", "28.8 74.2", "table_7/subnet_1"),
        _row("sub-networks 2 + 1", "29.3 75.9", "table_7/subnet_21"),
        _row("sub-networks 3 + 2 + 1", "30.0 76.2", "table_7/subnet_321"),
        _row("stage 1", "28.9 74.3", "table_7/stage_1"),
        _row("stages 2 + 1", "29.4 76.0", "table_7/stage_21"),
        _row("stages 3 + 2 + 1", "30.0 76.2", "table_7/stage_321"),
    ),
    "No reading of the text that was tried gives the printed parameters. The paper's stages 1 to 3 are "
    "HRNet's 2 to 4.",
)
TABLE_VIII = Table(
    "VIII",
    "Where SAM and TAM stand in a block, Human3.6M (paper B)",
    (MPJPE,),
    (
        _row("SAM before attention", "45.2", "table_8/sam_before_msa"),
        _row("SAM after attention", "44.1", "table_8/sam_after_msa"),
        _row("SAM after MLP", "44.9", "table_8/sam_after_mlp"),
        Row("SAM in the MLP", (), "table_8/sam_in_mlp", "equation 6"),
        _row("TAM before attention", "45.0", "table_8/tam_before_msa"),
        _row("TAM after attention", "44.9", "table_8/tam_after_msa"),
        _row("TAM after MLP", "46.2", "table_8/tam_after_mlp"),
    ),
)
TABLE_IX = Table(
    "IX",
    "Number of frames, Human3.6M, CPN (paper B)",
    (PARAMS, MPJPE),
    (
        _row("Pavllo, f = 243", "12.75 47.5"),
        _row("Pavllo, f = 81", "12.70 47.9"),
        _row("PoseFormer, f = 81", "9.59 44.3", "table_9/poseformer_81"),
        _row("PoseFormer, f = 27", "9.60 44.6", "table_9/poseformer_27", "its code: 47.0"),
        _row("Ours, f = 9", "9.85 44.3", "table_9/ours_9"),
        _row("Ours, f = 27", "9.86 43.6", "table_9/ours_27"),
        _row("Ours, f = 81", "9.86 43.3", "table_9/ours_81"),
        Row("Ours, f = 243", (), "table_9/ours_243", "III.B names it, no table has it"),
    ),
    "f x 544 position embeddings add 29,376 parameters from f = 27 to 81, so 9.86 M cannot stand twice.",
)
TABLE_X = Table(
    "X",
    'The "learning rate" column, read as dropout, Human3.6M, CPN, f = 81 (paper B)',
    (PARAMS, MPJPE),
    (
        _row("Pavllo, 0.25", "12.70 47.9"),
        _row("Pavllo, 0.1", "12.70 47.5"),
        _row("PoseFormer, 0.25", "9.60 44.3", "table_10/poseformer_025"),
        _row("PoseFormer, 0.1", "9.60 44.6", "table_10/poseformer_010"),
        _row("Ours, 0.25", "9.86 43.3", "table_9/ours_81"),
        _row("Ours, 0.2", "9.86 43.3", "table_10/ours_020"),
        _row("Ours, 0.1", "9.86 43.1", "table_2/ours"),
        _row("Ours, 0.05", "9.86 43.4", "table_10/ours_005"),
    ),
    "0.25 is the dropout of Pavllo et al.; the text's own learning rate is 0.001.",
)

EMOTION = (
    Column("accuracy %", "metrics/accuracy", 100),
    Column("macro-F1", "metrics/macro_f1", 1, 3),
    Column("calibration error", "metrics/ece", 1, 3),
)
_PAPER_A = (
    "The data set (1512 videos, 15 actors) is not public. The released code chooses its checkpoint on the "
    "test loss and copies joint files to videos with another background, so the same movement can be in "
    "train and test; here actors and recordings are kept apart."
)
MOEMO = Table(
    "moemo",
    "Emotion, the authors' Naturalistic Motion Database (paper A)",
    EMOTION,
    (
        _row("MoEmo as released", "91.5 0.887 -", "moemo/official"),
        Row("MoEmo, concatenation", (), "moemo_official/concat", "paper A: 2 to 3 points below"),
        Row("MoEmo, movement alone", (), "moemo_official/pose"),
        Row("MoEmo, context alone", (), "moemo_official/context"),
        Row("MoEmo, poses of P-STMO-S", (), "moemo/official_pstmo", "paper A's source of poses"),
        Row("MoEmo, its own prepared files", (), "moemo/official_files"),
        Row("ResNet-50, 16 images", (), "moemo_baselines/resnet50"),
        Row("ViT-B/16, 16 images", (), "moemo_baselines/vit"),
        Row("MoEmo X, cross-attention", (), "moemo/x_cross"),
        Row("MoEmo X, concatenation", (), "moemo/x_concat", "paper A: 2 to 3 points below cross-attention"),
        Row("MoEmo X, movement alone", (), "moemo/x_pose"),
        Row("MoEmo X, context alone", (), "moemo/x_context"),
    ),
    f"The paper's numbers for ResNet50, ViT, WSCNet, PDANet and ABAW were not at hand. {_PAPER_A}",
)


def _question(name: str, title: str, rows: tuple[tuple[str, str], ...], notes: str = "") -> Table:
    return Table(name, title, EMOTION, tuple(Row(label, (), config) for label, config in rows), notes)


QUESTIONS = (
    _question(
        "moemo-attention",
        "Open question 3 of paper A: which attention",
        tuple((f"MoEmo X, {k}", f"moemo/x_{k}") for k in ("cross", "self", "concat")),
    ),
    _question(
        "moemo-frames",
        "Open question 4 of paper A: how many frames",
        tuple((f"T = {t}", f"moemo_frames/t{t}") for t in (4, 8, 12, 16)),
    ),
    _question(
        "moemo-joints",
        "Which joints (paper A's 'first experiments', 2)",
        tuple((k.replace("_", " "), f"moemo_joints/{k}") for k in ("all", "no_head", "upper", "ends")),
    ),
    _question(
        "moemo-movement",
        "What a movement vector is: the next pose beside this one (released), or their difference",
        tuple((k, f"moemo_movement/{k}") for k in ("pair", "delta", "both")),
    ),
    _question(
        "moemo-occlusion",
        "Open question 5 of paper A: parts of the body hidden in the test",
        tuple(
            (f"{trained}, p = {p}", f"moemo_occlusion/{trained.split()[0]}_{int(100 * p):03d}")
            for trained in ("plain training", "hidden in training too")
            for p in (0.0, 0.1, 0.3, 0.5)
        ),
        "p: of every joint, of one part of the body, and of every frame.",
    ),
    _question(
        "moemo-background",
        "Does the background tell the label: every clip with another clip's scene",
        (("own scene", "moemo/x_cross"), ("another clip's scene", "moemo_background/shuffled")),
    ),
    _question(
        "moemo-context",
        "Paper A: does CLIP see the scene better than a CNN",
        (("CLIP ViT-B/32", "moemo/x_cross"), ("ResNet-50", "moemo_context/cnn")),
    ),
    _question(
        "moemo-poses",
        "Paper A: do 3D poses tell more than 2D ones",
        (("3D", "moemo/x_cross"), ("depth set to 0", "moemo_poses/flat")),
    ),
    _question(
        "moemo-split",
        "Open question 1 of paper A: actors never seen in training",
        (("actors apart", "moemo/x_cross"), ("actors shared", "moemo_split/shared")),
        "'shared' repeats the published protocol; the folder then has the same actors in train and test.",
    ),
)

TABLES = {
    t.name: t
    for t in (
        TABLE_I,
        TABLE_II,
        TABLE_II_P2,
        TABLE_III,
        TABLE_IV,
        TABLE_V,
        TABLE_VI,
        TABLE_VII,
        TABLE_VIII,
        TABLE_IX,
        TABLE_X,
        MOEMO,
        *(replace(q, notes=q.notes or _PAPER_A) for q in QUESTIONS),
    )
}
