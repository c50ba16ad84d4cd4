"""Tiny networks of transformers with random weights, in folders as published ones lie in."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch

# Without it the tests that need it are skipped, by name, where they are.
transformers = import_module("transformers") if find_spec("transformers") else None

DECODER = {
    "hidden_size": 16,
    "mlp_dim": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "iou_head_hidden_dim": 8,
    "iou_head_depth": 2,
}
FEATURE_SIZES = [[16, 16], [8, 8], [4, 4]]


def prompt_encoder(side, patch):
    return {
        "hidden_size": 16,
        "image_size": side,
        "patch_size": patch,
        "mask_input_channels": 4,
    }


def tiny_sam():
    vision = transformers.SamVisionConfig(
        hidden_size=16,
        output_channels=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=64,
        patch_size=16,
        mlp_dim=16,
        num_pos_feats=8,
        global_attn_indexes=[0],
        window_size=0,
    )
    config = transformers.SamConfig(
        vision_config=vision,
        prompt_encoder_config=prompt_encoder(64, 16),
        mask_decoder_config=DECODER,
    )
    return transformers.SamModel(config)


def tiny_sam2(kind="Sam2Config"):
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 1, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [4, 4, 4, 4],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [],
    }
    parts = {
        "vision_config": transformers.Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=FEATURE_SIZES,
            fpn_hidden_size=16,
        ),
        "prompt_encoder_config": prompt_encoder(64, 16),
        "mask_decoder_config": DECODER,
    }
    network = transformers.Sam2Model(transformers.Sam2Config(**parts))
    network.config = getattr(transformers, kind)(**parts)
    return network


def tiny_sam3():
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "pretrain_image_size": 56,
        "window_size": 2,
        "global_attn_indexes": [1],
    }
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": 16,
        "backbone_feature_sizes": FEATURE_SIZES,
        "scale_factors": [4.0, 2.0, 1.0, 0.5],
    }
    config = transformers.Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config=prompt_encoder(56, 14),
        mask_decoder_config=DECODER,
    )
    return transformers.Sam3TrackerModel(config)


def vit_sizes(side, patch):
    return {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": side,
        "patch_size": patch,
    }


def tiny_dino():
    # As DINO's own checkpoints are: without the pooler that transformers could train on top.
    return transformers.ViTModel(
        transformers.ViTConfig(**vit_sizes(32, 8)), add_pooling_layer=False
    )


def tiny_dinov2():
    return transformers.Dinov2Model(transformers.Dinov2Config(**vit_sizes(56, 14)))


def tiny_dinov2_with_registers():
    config = transformers.Dinov2WithRegistersConfig(**vit_sizes(56, 14), num_register_tokens=4)
    return transformers.Dinov2WithRegistersModel(config)


def tiny_dinov3():
    config = transformers.DINOv3ViTConfig(**vit_sizes(64, 16), num_register_tokens=4)
    return transformers.DINOv3ViTModel(config)


def tiny_mask2former():
    swin = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=swin,
        feature_size=32,  # its group norm has 32 groups
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=9,
        num_labels=5,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


TINY = {
    "sam": tiny_sam,
    "sam2": tiny_sam2,
    "sam2-video": lambda: tiny_sam2("Sam2VideoConfig"),
    "sam3": tiny_sam3,
    "dino": tiny_dino,
    "dinov2": tiny_dinov2,
    "dinov2-registers": tiny_dinov2_with_registers,
    "dinov3": tiny_dinov3,
    "mask2former": tiny_mask2former,
}


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """From the name of a tiny network to its folder, made when it is first asked for."""
    root, made = tmp_path_factory.mktemp("networks"), {}

    def folder_of(name):
        if name not in made:
            torch.manual_seed(0)
            network = TINY[name]()
            made[name] = root / f"tiny-{name}"
            network.save_pretrained(made[name])
        return str(made[name])

    return folder_of


@pytest.fixture
def picture():
    """Coloured noise that is wider than high, and four points in its corners."""
    image = np.random.default_rng(1).integers(0, 256, (40, 52, 3), np.uint8)
    return image, np.array([[0, 0], [51, 0], [0, 39], [51, 39]])
