"""Parameter names and shapes of the released checkpoints, written down from their architectures.

HRNet's 1,754 names are in test_hrnet.py.
"""

import itertools
import re

import pytest

torch = pytest.importorskip("torch")

from train.models.crossformer import CrossFormer  # noqa: E402
from train.models.moemo import MoEmoOfficial  # noqa: E402
from train.models.motionagformer import MotionAGFormer  # noqa: E402
from train.models.poseformer import PoseFormer  # noqa: E402
from train.models.pstmo import PSTMO  # noqa: E402
from train.models.pstmo_pretraining import PSTMOPretraining  # noqa: E402


def expand(pattern):
    """'a.{0-2}.{x,y}' -> a.0.x, a.0.y, a.1.x, ..."""
    parts = re.split(r"\{(.*?)\}", pattern)
    for i in range(1, len(parts), 2):
        low, dash, high = parts[i].partition("-")
        parts[i] = [str(n) for n in range(int(low), int(high) + 1)] if dash else parts[i].split(",")
    parts[::2] = [[p] for p in parts[::2]]
    return ["".join(p) for p in itertools.product(*parts)]


def linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def conv1d(name, outputs, inputs, kernel=1):
    return {f"{name}.weight": (outputs, inputs, kernel), f"{name}.bias": (outputs,)}


def norm(name, width):
    return {f"{name}.{{weight,bias}}": (width,)}


def batch_norm(name, width):
    return {
        f"{name}.{{weight,bias,running_mean,running_var}}": (width,),
        f"{name}.num_batches_tracked": (),
    }


def vit_block(name, width, hidden):
    return {
        **norm(f"{name}.{{norm1,norm2}}", width),
        **linear(f"{name}.attn.qkv", 3 * width, width),
        **linear(f"{name}.attn.proj", width, width),
        **linear(f"{name}.mlp.fc1", hidden, width),
        **linear(f"{name}.mlp.fc2", width, hidden),
    }


POSEFORMER = {
    "Spatial_pos_embed": (1, 17, 32),
    "Temporal_pos_embed": (1, 81, 544),
    **linear("Spatial_patch_to_embedding", 32, 2),
    **vit_block("Spatial_blocks.{0-3}", 32, 64),
    **vit_block("blocks.{0-3}", 544, 1088),
    **norm("Spatial_norm", 32),
    **norm("Temporal_norm", 544),
    **conv1d("weighted_mean", 1, 81),
    **norm("head.0", 544),
    **linear("head.1", 51, 544),
}

CROSSFORMER = {
    **{k: v for k, v in POSEFORMER.items() if "locks" not in k and not k.startswith("Temporal")},
    "Temporal_pos_embed1": (1, 544),
    **norm("Temporal_norm1", 544),
    **{k: v for k, v in vit_block("Spatial_blocks.{0-3}", 32, 128).items() if not k.endswith("qkv.bias")},
    **norm("Spatial_blocks.{0-3}.norm3", 32),
    "Spatial_blocks.{0-3}.{gamma1,gamma2,gamma3}": (32,),
    **conv1d("Spatial_blocks.{0-3}.local_mp.{conv1,conv2}", 32, 32, 5),
    **norm("Spatial_blocks.{0-3}.local_mp.gn", 32),
    **{k: v for k, v in vit_block("blocks1.{0-3}", 544, 2176).items() if not k.endswith("qkv.bias")},
    **norm("blocks1.{0-3}.norm3", 544),
    "blocks1.{0-3}.{gamma1,gamma2,gamma3}": (544,),
    "blocks1.{0-3}.local.{t,p,g}.weight": (81, 81, 3),
    "blocks1.{0-3}.local.z.weight": (81, 27, 3),
    **norm("blocks1.{0-3}.local.gn", 81),
}


def pstmo_encoder(inputs, width):
    return {
        **conv1d("encoder.fc_1", 2 * width, inputs),
        **batch_norm("encoder.bn_1", 2 * width),
        **conv1d("encoder.layers.0.{w1,w2}", 2 * width, 2 * width),
        **batch_norm("encoder.layers.0.{batch_norm1,batch_norm2}", 2 * width),
        **conv1d("encoder.fc_2", width, 2 * width),
    }


def pstmo_stack(name, layers, width, hidden, strided=False):
    at = f"{name}.model.layers.{{0-{layers - 1}}}"
    feed_forward = (
        {
            **conv1d(f"{at}.feed_forward.w_1", hidden, width),
            **conv1d(f"{at}.feed_forward.w_2", width, hidden, 3),
        }
        if strided
        else {
            **linear(f"{at}.feed_forward.w_1", hidden, width),
            **linear(f"{at}.feed_forward.w_2", width, hidden),
        }
    )
    return {
        **linear(f"{at}.self_attn.linears.{{0-3}}", width, width),
        **feed_forward,
        f"{at}.sublayer.{{0-1}}.norm.{{a_2,b_2}}": (width,),
        f"{name}.model.norm.{{a_2,b_2}}": (width,),
    }


PSTMO_S = {
    **pstmo_encoder(34, 256),
    "Transformer.pos_embedding": (1, 243, 256),
    **pstmo_stack("Transformer", 3, 256, 512),
    **pstmo_stack("Transformer_reduce", 5, 256, 512, strided=True),
    "Transformer_reduce.model.pos_embedding_{1-3}": (1, 243, 256),
    **batch_norm("{fcn,fcn_1}.0", 256),
    **conv1d("{fcn,fcn_1}.1", 51, 256),
}

PSTMO_PRETRAINING = {
    **pstmo_encoder(34, 256),
    "Transformer.pos_embedding": (1, 243, 256),
    **pstmo_stack("Transformer", 4, 256, 512),
    **pstmo_stack("Transformer_dec", 3, 128, 256),
    "encoder_LN.{a_2,b_2}": (256,),
    "encoder_to_decoder.weight": (128, 256),
    **batch_norm("fcn_dec.0", 128),
    **conv1d("fcn_dec.1", 34, 128),
    "dec_pos_embedding": (1, 243, 128),
    "mask_token": (1, 1, 128),
    "spatial_mask_token": (1, 1, 2),
}


def mixer(name, nodes=None):
    mixing = (
        {f"{name}.mixer.qkv.weight": (192, 64), **linear(f"{name}.mixer.proj", 64, 64)}
        if nodes is None
        else {**linear(f"{name}.mixer.{{U,V}}", 64, 64), **batch_norm(f"{name}.mixer.batch_norm", nodes)}
    )
    return {
        **norm(f"{name}.{{norm1,norm2}}", 64),
        **mixing,
        **linear(f"{name}.mlp.fc1", 256, 64),
        **linear(f"{name}.mlp.fc2", 64, 256),
        f"{name}.{{layer_scale_1,layer_scale_2}}": (64,),
    }


MOTIONAGFORMER_XS = {
    **linear("joints_embed", 64, 3),
    "pos_embed": (1, 17, 64),
    **mixer("layers.{0-11}.{att_spatial,att_temporal}"),
    **mixer("layers.{0-11}.graph_spatial", 17),
    **mixer("layers.{0-11}.graph_temporal", 27),
    **linear("layers.{0-11}.fusion", 2, 128),
    **norm("norm", 64),
    **linear("rep_logit.fc", 512, 64),
    **linear("head", 3, 512),
}


def window_attention(name):
    return {
        f"{name}.relative_position_bias_table": (33 * 47, 1),
        f"{name}.relative_position_index": (408, 408),
        **linear(f"{name}.proj", 15, 15),
    }


MOEMO = {
    "context_conv1.weight": (15, 16, 3, 5),
    "context_conv2.weight": (15, 15, 3, 5),
    "context_conv{3-5}.weight": (15, 15, 3, 3),
    "context_conv{1-5}.bias": (15,),
    **window_attention("contextTransformer"),
    **linear("contextTransformer.q", 15, 15),
    **linear("contextTransformer.kv", 30, 15),
    **window_attention("transformer{1-3}"),
    **linear("transformer{1-3}.qkv", 45, 15),
    **norm("{norm,norm1,norm2,norm3}", 15),
    **linear("{mlp,mlp1,mlp2,mlp3}.{fc1,fc2}", 15, 15),
    **linear("head", 6, 15),
}

TABLES = {
    "PoseFormer": (lambda: PoseFormer(81), POSEFORMER),
    "CrossFormer": (CrossFormer, CROSSFORMER),
    "P-STMO-S": (lambda: PSTMO(243, layers=3), PSTMO_S),
    "P-STMO pre-training": (lambda: PSTMOPretraining(243, layers=4), PSTMO_PRETRAINING),
    "MotionAGFormer-XS": (MotionAGFormer, MOTIONAGFORMER_XS),
    "MoEmo": (MoEmoOfficial, MOEMO),
}


@pytest.mark.parametrize("name", TABLES)
def test_names_and_shapes(name):
    build, table = TABLES[name]
    expected = {key: shape for pattern, shape in table.items() for key in expand(pattern)}
    assert {k: tuple(v.shape) for k, v in build().state_dict().items()} == expected
