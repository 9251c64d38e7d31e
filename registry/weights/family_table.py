"""The fingerprints of the base model families, as data: which layers each has, of which size, in how many
blocks.

One line of an architecture is evidence for every family that has that layer in that size, and a refutation
of every family that has a layer of that name in another size, or too few blocks. Sizes were read from the
published configurations (huggingface/diffusers, and each family's own repository); `-` stands where a size
varies or is not published.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# `path in out`. `#D` is a block number that is at most the family's D; `{a,b}` stands for each; `3h` is three
# times the family's h; `h+m` a sum.
ARCHITECTURES: dict[str, str] = {
    # FLUX.1 in Black Forest Labs' own names; mod/modulation only where the family has per-block modulation
    "flux": """
        double_blocks.#D.{img,txt}_attn.qkv h 3h
        double_blocks.#D.{img,txt}_attn.proj h h
        double_blocks.#D.{img,txt}_mlp.0 h m
        double_blocks.#D.{img,txt}_mlp.2 u h
        single_blocks.#S.linear1 h 3h+m
        single_blocks.#S.linear2 h+u h
        img_in - h
        txt_in t h
        {time_in,guidance_in}.in_layer 256 h
        {time_in,guidance_in}.out_layer h h
        final_layer.linear h -
        final_layer.adaLN_modulation.1 h 2h
    """,
    "flux_modulation": """
        double_blocks.#D.{img,txt}_mod.lin h 6h
        single_blocks.#S.modulation.lin h 3h
        vector_in.in_layer 768 h
        vector_in.out_layer h h
    """,
    "xlabs": """
        double_blocks.#D.processor.qkv_{lora1,lora2} h 3h
        double_blocks.#D.processor.proj_{lora1,lora2} h h
        single_blocks.#S.processor.qkv_lora h 3h
        single_blocks.#S.processor.proj_lora h h
    """,
    "flux2_modulation": """
        double_stream_modulation_{img,txt}.lin h 6h
        single_stream_modulation.lin h 3h
    """,
    # double-stream attention in diffusers' names, shared by many families
    "joint_attention": """
        transformer_blocks.#D.attn.{to_q,to_k,to_v,to_out.0} h h
        transformer_blocks.#D.attn.{add_q_proj,add_k_proj,add_v_proj,to_add_out} h h
    """,
    "joint_feed_forward": """
        transformer_blocks.#D.{ff,ff_context}.net.0.proj h m
        transformer_blocks.#D.{ff,ff_context}.net.2 m h
        transformer_blocks.#D.{norm1,norm1_context}.linear h -
        x_embedder - h
        context_embedder t h
        proj_out h -
        norm_out.linear h 2h
        time_text_embed.{timestep_embedder,guidance_embedder,text_embedder}.{linear_1,linear_2} - h
    """,
    "single_stream": """
        single_transformer_blocks.#S.attn.{to_q,to_k,to_v} h h
        single_transformer_blocks.#S.proj_mlp h m
        single_transformer_blocks.#S.proj_out h+m h
        single_transformer_blocks.#S.norm.linear h 3h
    """,
    "flux2_diffusers": """
        transformer_blocks.#D.{ff,ff_context}.linear_in h m
        transformer_blocks.#D.{ff,ff_context}.linear_out u h
        single_transformer_blocks.#S.attn.to_qkv_mlp_proj h 3h+m
        single_transformer_blocks.#S.attn.to_out h+u h
        {double_stream_modulation_img,double_stream_modulation_txt,single_stream_modulation}.linear h -
        time_guidance_embed.{timestep_embedder,guidance_embedder}.{linear_1,linear_2} - h
        x_embedder - h
        context_embedder t h
        proj_out h -
        norm_out.linear h 2h
    """,
    "chroma_extra": """
        distilled_guidance_layer.layers.#9.{in_layer,out_layer} - -
        distilled_guidance_layer.{in_proj,out_proj} - -
        nerf_blocks.#9.{param_generator,norm} - -
        img_in_patch - -
    """,
    "sd3": """
        joint_blocks.#D.{x_block,context_block}.attn.qkv h 3h
        joint_blocks.#D.{x_block,context_block}.attn.proj h h
        joint_blocks.#D.{x_block,context_block}.mlp.fc1 h 4h
        joint_blocks.#D.{x_block,context_block}.mlp.fc2 4h h
        joint_blocks.#D.{x_block,context_block}.adaLN_modulation.1 h -
        context_embedder 4096 h
        final_layer.linear h 64
        final_layer.adaLN_modulation.1 h 2h
        y_embedder.mlp.0 2048 h
        y_embedder.mlp.2 h h
    """,
    "sd35_second_attention": """
        joint_blocks.#A.x_block.attn2.qkv h 3h
        joint_blocks.#A.x_block.attn2.proj h h
        transformer_blocks.#A.attn2.{to_q,to_k,to_v,to_out.0} h h
    """,
    "auraflow": """
        double_layers.#3.attn.{w1q,w1k,w1v,w1o,w2q,w2k,w2v,w2o} h h
        double_layers.#3.{mlpC,mlpX}.{c_fc1,c_fc2,c_proj} - -
        double_layers.#3.{modC,modX}.1 h -
        single_layers.#31.attn.{w1q,w1k,w1v,w1o} h h
        single_layers.#31.mlp.{c_fc1,c_fc2,c_proj} - -
        single_layers.#31.modCX.1 h -
    """,
    "auraflow_diffusers": """
        joint_transformer_blocks.#3.attn.{to_q,to_k,to_v,to_out.0} h h
        joint_transformer_blocks.#3.attn.{add_q_proj,add_k_proj,add_v_proj,to_add_out} h h
        joint_transformer_blocks.#3.{ff,ff_context}.{linear_1,linear_2,out_projection} - -
        single_transformer_blocks.#31.attn.{to_q,to_k,to_v,to_out.0} h h
        single_transformer_blocks.#31.ff.{linear_1,linear_2,out_projection} - -
    """,
    "pixart": """
        blocks.#D.attn.qkv h 3h
        blocks.#D.attn.proj h h
        blocks.#D.cross_attn.q_linear h h
        blocks.#D.cross_attn.kv_linear h 2h
        blocks.#D.cross_attn.proj h h
        blocks.#D.mlp.fc1 h 4h
        blocks.#D.mlp.fc2 4h h
        t_block.1 h 6h
    """,
    # one self-attention and one cross-attention a block, in diffusers' names
    "cross_attention": """
        transformer_blocks.#D.attn1.{to_q,to_k,to_v,to_out.0} h h
        transformer_blocks.#D.attn2.{to_q,to_out.0} h h
        transformer_blocks.#D.attn2.{to_k,to_v} c h
        adaln_single.linear h 6h
        adaln_single.emb.timestep_embedder.{linear_1,linear_2} - h
        caption_projection.{linear_1,linear_2} - h
        proj_out h -
    """,
    "plain_feed_forward": """
        transformer_blocks.#D.ff.net.0.proj h 4h
        transformer_blocks.#D.ff.net.2 4h h
    """,
    "sana_feed_forward": """
        transformer_blocks.#D.ff.{conv_inverted,conv_depth,conv_point} - -
    """,
    "cogvideox": """
        transformer_blocks.#D.attn1.{to_q,to_k,to_v,to_out.0} h h
        transformer_blocks.#D.{norm1,norm2}.linear - -
    """,
    "ltx2_audio": """
        transformer_blocks.#D.{audio_attn1,audio_attn2}.{to_q,to_k,to_v,to_out.0} - -
        transformer_blocks.#D.{audio_to_video_attn,video_to_audio_attn}.{to_q,to_k,to_v,to_out.0} - -
        transformer_blocks.#D.audio_ff.{net.0.proj,net.2} - -
    """,
    "hunyuan_dit": """
        blocks.#D.attn1.Wqkv h 3h
        blocks.#D.attn1.out_proj h h
        blocks.#D.attn2.q_proj h h
        blocks.#D.attn2.kv_proj 1024 2h
        blocks.#D.attn2.out_proj h h
        blocks.#D.attn1.{to_q,to_k,to_v,to_out.0} h h
        blocks.#D.attn2.{to_q,to_out.0} h h
        blocks.#D.attn2.{to_k,to_v} 1024 h
        mlp_t5.{0,2} - -
    """,
    "hunyuan_video": """
        double_blocks.#D.{img,txt}_attn.qkv h 3h
        double_blocks.#D.{img,txt}_attn.proj h h
        double_blocks.#D.{img,txt}_mlp.fc1 h m
        double_blocks.#D.{img,txt}_mlp.fc2 m h
        double_blocks.#D.{img,txt}_mod.linear h 6h
        txt_in.individual_token_refiner.blocks.#9.self_attn.{qkv,proj} - -
        txt_in.individual_token_refiner.blocks.#9.{mlp.fc1,mlp.fc2,adaLN_modulation.1} - -
    """,
    "hunyuan_single": """
        single_blocks.#S.linear1 h 3h+m
        single_blocks.#S.linear2 h+m h
        single_blocks.#S.modulation.linear h 3h
    """,
    "wan": """
        {blocks,vace_blocks}.#D.{self_attn,cross_attn}.{q,k,v,o} h h
        blocks.#D.cross_attn.{k_img,v_img} h h
        {blocks,vace_blocks}.#D.{self_attn,cross_attn}.{norm_q,norm_k,norm_k_img} - -
        {blocks,vace_blocks}.#D.ffn.0 h f
        {blocks,vace_blocks}.#D.ffn.2 f h
        {blocks,vace_blocks}.#D.{norm1,norm2,norm3,modulation,before_proj,after_proj} - -
        time_projection.1 h 6h
        time_embedding.0 256 h
        time_embedding.2 h h
        text_embedding.0 4096 h
        text_embedding.2 h h
        {head,head.head,patch_embedding} - -
        img_emb.proj.{0,1,3,4} - -
    """,
    "wan_diffusers": """
        blocks.#D.{attn1,attn2}.{to_q,to_k,to_v,to_out.0} h h
        blocks.#D.attn2.{add_k_proj,add_v_proj} h h
        blocks.#D.ffn.net.0.proj h f
        blocks.#D.ffn.net.2 f h
        condition_embedder.time_proj h 6h
        condition_embedder.{time_embedder,text_embedder}.{linear_1,linear_2} - h
        proj_out h -
    """,
    "mochi": """
        blocks.#47.attn.{qkv_x,qkv_y,proj_x,proj_y} - -
        blocks.#47.{mlp_x,mlp_y}.{w1,w2} - -
        blocks.#47.{mod_x,mod_y} - -
        transformer_blocks.#47.attn1.{add_q_proj,add_k_proj,add_v_proj,to_add_out} - -
    """,
    "qwen": """
        transformer_blocks.#D.{img_mlp,txt_mlp}.net.0.proj h m
        transformer_blocks.#D.{img_mlp,txt_mlp}.net.2 m h
        transformer_blocks.#D.{img_mod,txt_mod}.1 h 6h
        img_in 64 h
        txt_in t h
        proj_out h -
        norm_out.linear h 2h
        time_text_embed.timestep_embedder.{linear_1,linear_2} - h
    """,
    "next_dit": """
        {layers,noise_refiner,context_refiner}.#D.attention.qkv h q
        {layers,noise_refiner,context_refiner}.#D.attention.{out,to_q,to_out.0} h h
        {layers,noise_refiner,context_refiner}.#D.attention.{to_k,to_v} h -
        {layers,noise_refiner,context_refiner}.#D.feed_forward.{w1,w3} h f
        {layers,noise_refiner,context_refiner}.#D.feed_forward.w2 f h
        {layers,noise_refiner,context_refiner}.#D.{adaLN_modulation.0,adaLN_modulation.1} - -
        cap_embedder.{0,1} - -
        x_embedder - h
        final_layer.linear - -
        final_layer.adaLN_modulation.1 - -
    """,
    "hidream": """
        {double_stream_blocks,single_stream_blocks}.#D.block.attn1.{to_q,to_k,to_v,to_out} h h
        {double_stream_blocks,single_stream_blocks}.#D.block.attn1.{to_q_t,to_k_t,to_v_t,to_out_t} h h
        {double_stream_blocks,single_stream_blocks}.#D.block.attn.{to_q,to_k,to_v,to_out} h h
        {double_stream_blocks,single_stream_blocks}.#D.block.{ff_i,ff_t}.{w1,w2,w3,gate} - -
        {double_stream_blocks,single_stream_blocks}.#D.block.adaLN_modulation.1 - -
    """,
    "omnigen2": """
        {layers,noise_refiner,context_refiner,ref_image_refiner}.#D.attn.{to_q,to_out.0} h h
        {layers,noise_refiner,context_refiner,ref_image_refiner}.#D.attn.{to_k,to_v} h -
        {layers,noise_refiner,context_refiner}.#D.feed_forward.{linear_1,linear_2,linear_3} - -
        time_caption_embed.{timestep_embedder.linear_1,timestep_embedder.linear_2,caption_embedder.1} - -
    """,
    "kandinsky5": """
        visual_transformer_blocks.#D.self_attention.{to_query,to_key,to_value,out_layer} - -
        visual_transformer_blocks.#D.cross_attention.{to_query,to_key,to_value,out_layer} - -
        visual_transformer_blocks.#D.feed_forward.{in_layer,out_layer} - -
        text_transformer_blocks.#9.self_attention.{to_query,to_key,to_value,out_layer} - -
        text_transformer_blocks.#9.feed_forward.{in_layer,out_layer} - -
    """,
    "cosmos": """
        blocks.#D.self_attn.{q_proj,k_proj,v_proj,output_proj} h h
        blocks.#D.cross_attn.{q_proj,output_proj} h h
        blocks.#D.cross_attn.{k_proj,v_proj} - h
        blocks.#D.mlp.layer1 h 4h
        blocks.#D.mlp.layer2 - h
        blocks.#D.{adaln_modulation_self_attn,adaln_modulation_cross_attn,adaln_modulation_mlp}.{1,2} - -
        llm_adapter.blocks.#9.{self_attn,cross_attn}.{q_proj,k_proj,v_proj,o_proj,output_proj} - -
        llm_adapter.blocks.#9.mlp.{0,2} - -
    """,
    "krea2": """
        blocks.#D.attn.{wq,wo,gate} h h
        blocks.#D.attn.{wk,wv} h k
        blocks.#D.mlp.{gate,up} h m
        blocks.#D.mlp.down m h
        txtfusion.{layerwise_blocks,refiner_blocks}.#9.attn.{wq,wk,wv,wo,gate} - -
        txtfusion.{layerwise_blocks,refiner_blocks}.#9.mlp.{gate,up,down} - -
        txtfusion.projector - -
        txtmlp.{1,3} - h
        tmlp.{0,2} - h
        tproj.1 h 6h
        first - h
        last.linear h -
    """,
    "ideogram4": """
        layers.#D.attention.qkv h 3h
        layers.#D.attention.{out,to_q,to_k,to_v,to_out.0} h h
        embed_image_indicator - -
    """,
}


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One family in one architecture. `native` tells that these are the names of the family's own repository,
    which kohya, ComfyUI and unprefixed files keep; the others are the names diffusers gives."""

    family: str
    architecture: str
    native: bool
    sizes: dict[str, int] = field(default_factory=dict)


def _rows(family: str, native: str, diffusers: str, **sizes: int) -> list[FamilyRow]:
    return [
        FamilyRow(family, architecture, names is native, sizes)
        for names in (native, diffusers)
        for architecture in names.split()
    ]


_JOINT = "joint_attention joint_feed_forward"

# Older families first.
FAMILY_ROWS: list[FamilyRow] = [
    *_rows("pixart", "pixart", "cross_attention plain_feed_forward", D=27, h=1152, c=1152),
    *_rows("hunyuan_dit", "hunyuan_dit", "", D=39, h=1408),
    *_rows("sd3_medium", "sd3", _JOINT, D=23, h=1536, m=6144, t=4096),
    *_rows("auraflow", "auraflow", "auraflow_diffusers", h=3072),
    *_rows("flux1", "flux flux_modulation xlabs", f"{_JOINT} single_stream",
           D=18, S=37, h=3072, m=12288, u=12288, t=4096),
    *_rows("cogvideox_2b", "", "cogvideox plain_feed_forward", D=29, h=1920),
    *_rows("cogvideox_5b", "", "cogvideox plain_feed_forward", D=41, h=3072),
    *_rows("sd35_large", "sd3", _JOINT, D=37, h=2432, m=9728, t=4096),
    *_rows("sd35_medium", "sd3 sd35_second_attention", _JOINT, D=23, A=12, h=1536, m=6144, t=4096),
    *_rows("mochi", "mochi", ""),
    *_rows("hunyuan_video", "hunyuan_video hunyuan_single", f"{_JOINT} single_stream",
           D=19, S=39, h=3072, m=12288, t=4096),
    *_rows("sana", "", "cross_attention sana_feed_forward", D=19, h=2240, c=2240),
    *_rows("sana", "", "cross_attention sana_feed_forward", D=27, h=1152, c=1152),
    *_rows("ltx_2b", "cross_attention plain_feed_forward", "", D=27, h=2048, c=2048),
    *_rows("ltx_13b", "cross_attention plain_feed_forward", "", D=47, h=4096, c=4096),
    *_rows("lumina2", "next_dit", "", D=25, h=2304, q=3840, f=9216),
    *_rows("wan_1_3b", "wan", "wan_diffusers", D=29, h=1536, f=8960),
    *_rows("wan_14b", "wan", "wan_diffusers", D=39, h=5120, f=13824),
    *_rows("wan_5b", "wan", "wan_diffusers", D=29, h=3072, f=14336),
    *_rows("hidream", "hidream", "", D=31, h=2560),
    *_rows("omnigen2", "omnigen2", "", D=31, h=2520),
    *_rows("qwen_image", "joint_attention qwen", "", D=59, h=3072, m=12288, t=3584),
    *_rows("hunyuan_image", "hunyuan_video hunyuan_single", f"{_JOINT} single_stream",
           D=19, S=39, h=3584, m=14336, t=3584),
    *_rows("kandinsky5", "kandinsky5", "", D=59),
    *_rows("hunyuan_video_15", "hunyuan_video", _JOINT, D=53, h=2048, m=8192, t=3584),
    *_rows("flux2_dev", "flux flux2_modulation", "joint_attention flux2_diffusers",
           D=7, S=47, h=6144, m=36864, u=18432, t=15360),
    *_rows("z_image", "next_dit", "", D=29, h=3840, q=11520, f=10240),
    *_rows("anima", "cosmos", "", D=27, h=2048),
    *_rows("flux2_klein_9b", "flux flux2_modulation", "joint_attention flux2_diffusers",
           D=7, S=23, h=4096, m=24576, u=12288, t=12288),
    *_rows("flux2_klein_4b", "flux flux2_modulation", "joint_attention flux2_diffusers",
           D=4, S=19, h=3072, m=18432, u=9216, t=7680),
    *_rows("ltx2", "cross_attention plain_feed_forward ltx2_audio", "", D=47, h=4096, c=4096),
    *_rows("krea2", "krea2", _JOINT, D=27, h=6144, k=1536, m=16384, t=2560),
    *_rows("ideogram4", "ideogram4", "", D=33, h=4608),
]  # fmt: skip


# A word in a layer's path that only one family has.
NAME_MARKS: list[tuple[str, str]] = [
    ("motion_modules", "animatediff"),
    ("temporal_transformer_blocks", "svd"),
    ("distilled_guidance_layer", "chroma"),
    ("nerf_blocks", "chroma"),
    ("img_in_patch", "chroma"),
]


# Families that the bytes cannot tell from their parent; a statement in the metadata names them, if it is
# not refuted.
SUB_FAMILIES: dict[str, str] = {"chroma": "flux1", "ssd1b": "sdxl"}
# Layers that a sub-family does not have.
SUB_FAMILY_LACKS: dict[str, tuple[str, ...]] = {
    "chroma": (
        "_mod_lin",
        "modulation_lin",
        "norm1_linear",
        "norm1_context_linear",
        "norm_linear",
        "vector_in",
    ),
    "ssd1b": ("mid_block_attentions",),
}
# What a trainer cannot train, where its signature stands in the metadata.
TRAINER_LACKS: dict[str, frozenset[str]] = {
    "ai-toolkit": frozenset({"hunyuan_video", "hunyuan_image", "hunyuan_video_15"}),
}
