"""The card of a converted checkpoint: what it is, from which files, and what was done to them."""

from __future__ import annotations

from spelke.weights.checkpoint_files import CheckpointConfig


def write_card(name: str, config: CheckpointConfig, num_bytes: int) -> str:
    """The card's text, in Markdown.

    Args:
        name: of the checkpoint.
        config: of the checkpoint, with `training` as `convert` fills it.
        num_bytes: of all tensors.
    """
    network, origin = config.configs["network"], config.training
    sources = "\n".join(
        f"| `{file}` | {values['bytes']:,} | `{values['sha256']}` |"
        for file, values in origin["source"].items()
    )
    table = (
        "as published"
        if origin["flow_table"] == "published"
        else "**not published with these files**; built by decoding constant maps of each code "
        "with the flow quantizer, which differs from the published averages over data"
    )
    layout = config.settings.get("layout", "the published one: 256 pixels, 32x32 patches")
    return f"""# {name}

A flow predictor in the published layout with its two quantizers, converted from the files of its
publisher by {origin["converted_by"]}. No training was done here.

| | |
|---|---|
| blocks, heads, width | {network.depth}, {network.num_heads}, {network.embed_dim} |
| tokens, positions | {network.vocab_size:,}, {network.num_positions:,} |
| layout | {layout} |
| published class | {origin["config_class"] or "not named"} |
| predictor's numbers | {origin["dtype"]} |
| quantizers' numbers | float32 |
| table of flow codes | {config.flow_entries:,} codes, {table} |
| size | {num_bytes / 1e6:,.1f} MB in {len(config.sha256)} file(s) |

## Source

| file | bytes | sha256 |
|---|---|---|
{sources}

## Limits

Those of the published model. Its data, steps and training settings are not public.

## Licence

Of whoever published the files; the repository that publishes SpelkeNet is under MIT.
Venkatesh et al. 2025, Discovering and using Spelke segments, arXiv 2507.16038.
"""
