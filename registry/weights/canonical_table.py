"""How the layers of transformer denoisers are named by their own repositories and by diffusers, as data.

Each line is `native path = diffusers path`, or one path that both have. `#` stands for a block number,
`{a,b}` for each in turn, on both sides in step. `<a|b|c>` are the parts of one fused layer, split along its
outputs:

- two: equal halves (`kv_linear`);
- three: a query as wide as the layer's input, then key and value in equal parts;
- four: query, key and value as wide as the input, and the rest (`linear1`).

`~path` swaps the two output halves: diffusers keeps (scale, shift) and (value, gate) where the repository
keeps the reverse. `?path` swaps them only where the layer is twice as wide as its input (SD3's last block).
`path+n` is the n-th part, each as wide as the input, of a layer that diffusers keeps fused.

Read from diffusers 0.42.1: loaders/lora_conversion_utils.py and loaders/single_file_utils.py.
"""

from __future__ import annotations

_ATTENTION = """
    transformer_blocks.#.attn.{to_q,to_k,to_v,to_out.0,add_q_proj,add_k_proj,add_v_proj,to_add_out}
"""

# What every repository of the FLUX line shares.
_FLUX_DOUBLE = """
    double_blocks.#.img_attn.qkv = transformer_blocks.#.attn.<to_q|to_k|to_v>
    double_blocks.#.txt_attn.qkv = transformer_blocks.#.attn.<add_q_proj|add_k_proj|add_v_proj>
    double_blocks.#.img_attn.qkv.{0,1,2} = transformer_blocks.#.attn.{to_q,to_k,to_v}
    double_blocks.#.txt_attn.qkv.{0,1,2} = transformer_blocks.#.attn.{add_q_proj,add_k_proj,add_v_proj}
    double_blocks.#.{img_attn,txt_attn}.proj = transformer_blocks.#.attn.{to_out.0,to_add_out}
    {img_in,txt_in} = {x_embedder,context_embedder}
    final_layer.linear = proj_out
    final_layer.adaLN_modulation.1 = ~norm_out.linear
"""
_FLUX_SINGLE = """
    single_blocks.#.linear1 = single_transformer_blocks.#.<attn.to_q|attn.to_k|attn.to_v|proj_mlp>
    single_blocks.#.linear1.{0,1,2,3} = single_transformer_blocks.#.{attn.to_q,attn.to_k,attn.to_v,proj_mlp}
    single_blocks.#.linear2 = single_transformer_blocks.#.proj_out
"""
_SINGLE = """
    single_transformer_blocks.#.attn.{to_q,to_k,to_v}
    single_transformer_blocks.#.{proj_mlp,proj_out,norm.linear}
"""
_JOINT_FEED_FORWARD = """
    transformer_blocks.#.{ff,ff_context}.{net.0.proj,net.2}
    transformer_blocks.#.{norm1,norm1_context}.linear
"""
_EMBEDDERS = """
    time_text_embed.{timestep_embedder,guidance_embedder,text_embedder}.{linear_1,linear_2}
    {x_embedder,context_embedder,proj_out,norm_out.linear}
"""


def _stacks(lines: str) -> str:
    """The lines once for each stack of blocks that Lumina 2 and Z-Image have; STACK stands for its name."""
    return "".join(lines.replace("STACK", name) for name in ("layers", "noise_refiner", "context_refiner"))


NAMES: dict[str, str] = {
    "flux": _FLUX_DOUBLE + _FLUX_SINGLE + """
    double_blocks.#.{img_mlp,txt_mlp}.0 = transformer_blocks.#.{ff,ff_context}.net.0.proj
    double_blocks.#.{img_mlp,txt_mlp}.2 = transformer_blocks.#.{ff,ff_context}.net.2
    double_blocks.#.{img_mod,txt_mod}.lin = transformer_blocks.#.{norm1,norm1_context}.linear
    single_blocks.#.modulation.lin = single_transformer_blocks.#.norm.linear
    {time_in,guidance_in,vector_in}.in_layer = \
        time_text_embed.{timestep_embedder,guidance_embedder,text_embedder}.linear_1
    {time_in,guidance_in,vector_in}.out_layer = \
        time_text_embed.{timestep_embedder,guidance_embedder,text_embedder}.linear_2
    double_blocks.#.processor.qkv_lora1 = transformer_blocks.#.attn.<to_q|to_k|to_v>
    double_blocks.#.processor.qkv_lora2 = transformer_blocks.#.attn.<add_q_proj|add_k_proj|add_v_proj>
    double_blocks.#.processor.{proj_lora1,proj_lora2} = transformer_blocks.#.attn.{to_out.0,to_add_out}
    single_blocks.#.processor.qkv_lora = single_transformer_blocks.#.attn.<to_q|to_k|to_v>
    single_blocks.#.processor.proj_lora = single_transformer_blocks.#.proj_out
    distilled_guidance_layer.layers.#.{in_layer,out_layer} = \
        distilled_guidance_layer.layers.#.{linear_1,linear_2}
    distilled_guidance_layer.{in_proj,out_proj}
    """ + _ATTENTION + _SINGLE + _JOINT_FEED_FORWARD + _EMBEDDERS,
    "flux2": _FLUX_DOUBLE + """
    double_blocks.#.{img_mlp,txt_mlp}.0 = transformer_blocks.#.{ff,ff_context}.linear_in
    double_blocks.#.{img_mlp,txt_mlp}.2 = transformer_blocks.#.{ff,ff_context}.linear_out
    single_blocks.#.linear1 = single_transformer_blocks.#.attn.to_qkv_mlp_proj
    single_blocks.#.linear1.{0,1,2,3} = \
        single_transformer_blocks.#.attn.to_qkv_mlp_proj{+0,+1,+2,+3}
    single_blocks.#.linear2 = single_transformer_blocks.#.attn.to_out
    {time_in,guidance_in}.in_layer = time_guidance_embed.{timestep_embedder,guidance_embedder}.linear_1
    {time_in,guidance_in}.out_layer = time_guidance_embed.{timestep_embedder,guidance_embedder}.linear_2
    {double_stream_modulation_img,double_stream_modulation_txt,single_stream_modulation}.lin = \
        {double_stream_modulation_img,double_stream_modulation_txt,single_stream_modulation}.linear
    """ + _ATTENTION + _EMBEDDERS,
    "hunyuan": _FLUX_DOUBLE + _FLUX_SINGLE + """
    double_blocks.#.{img_mlp,txt_mlp}.fc1 = transformer_blocks.#.{ff,ff_context}.net.0.proj
    double_blocks.#.{img_mlp,txt_mlp}.fc2 = transformer_blocks.#.{ff,ff_context}.net.2
    double_blocks.#.{img_mlp,txt_mlp}.0 = transformer_blocks.#.{ff,ff_context}.net.0.proj
    double_blocks.#.{img_mlp,txt_mlp}.2 = transformer_blocks.#.{ff,ff_context}.net.2
    double_blocks.#.{img_mod,txt_mod}.linear = transformer_blocks.#.{norm1,norm1_context}.linear
    double_blocks.#.{img_mod,txt_mod}.lin = transformer_blocks.#.{norm1,norm1_context}.linear
    single_blocks.#.{modulation.linear,modulation.lin} = single_transformer_blocks.#.{norm.linear,norm.linear}
    {time_in,guidance_in}.mlp.0 = time_text_embed.{timestep_embedder,guidance_embedder}.linear_1
    {time_in,guidance_in}.mlp.2 = time_text_embed.{timestep_embedder,guidance_embedder}.linear_2
    vector_in.{in_layer,out_layer} = time_text_embed.text_embedder.{linear_1,linear_2}
    txt_in.individual_token_refiner.blocks.#.self_attn.qkv = \
        context_embedder.token_refiner.refiner_blocks.#.attn.<to_q|to_k|to_v>
    txt_in.individual_token_refiner.blocks.#.self_attn.proj = \
        context_embedder.token_refiner.refiner_blocks.#.attn.to_out.0
    txt_in.individual_token_refiner.blocks.#.{mlp.fc1,mlp.fc2} = \
        context_embedder.token_refiner.refiner_blocks.#.{ff.net.0.proj,ff.net.2}
    txt_in.individual_token_refiner.blocks.#.adaLN_modulation.1 = \
        context_embedder.token_refiner.refiner_blocks.#.norm_out.linear
    """ + _ATTENTION + _SINGLE + _JOINT_FEED_FORWARD + _EMBEDDERS,
    "sd3": """
    joint_blocks.#.x_block.attn.qkv = transformer_blocks.#.attn.<to_q|to_k|to_v>
    joint_blocks.#.context_block.attn.qkv = transformer_blocks.#.attn.<add_q_proj|add_k_proj|add_v_proj>
    joint_blocks.#.x_block.attn2.qkv = transformer_blocks.#.attn2.<to_q|to_k|to_v>
    joint_blocks.#.{x_block.attn.proj,context_block.attn.proj,x_block.attn2.proj} = \
        transformer_blocks.#.{attn.to_out.0,attn.to_add_out,attn2.to_out.0}
    joint_blocks.#.{x_block,context_block}.mlp.fc1 = transformer_blocks.#.{ff,ff_context}.net.0.proj
    joint_blocks.#.{x_block,context_block}.mlp.fc2 = transformer_blocks.#.{ff,ff_context}.net.2
    joint_blocks.#.x_block.adaLN_modulation.1 = transformer_blocks.#.norm1.linear
    joint_blocks.#.context_block.adaLN_modulation.1 = ?transformer_blocks.#.norm1_context.linear
    {t_embedder,y_embedder}.mlp.0 = time_text_embed.{timestep_embedder,text_embedder}.linear_1
    {t_embedder,y_embedder}.mlp.2 = time_text_embed.{timestep_embedder,text_embedder}.linear_2
    x_embedder.proj = pos_embed.proj
    final_layer.linear = proj_out
    final_layer.adaLN_modulation.1 = ~norm_out.linear
    transformer_blocks.#.attn2.{to_q,to_k,to_v,to_out.0}
    """ + _ATTENTION + _JOINT_FEED_FORWARD + _EMBEDDERS,
    "auraflow": """
    double_layers.#.attn.{w2q,w2k,w2v,w2o} = joint_transformer_blocks.#.attn.{to_q,to_k,to_v,to_out.0}
    double_layers.#.attn.{w1q,w1k,w1v,w1o} = \
        joint_transformer_blocks.#.attn.{add_q_proj,add_k_proj,add_v_proj,to_add_out}
    double_layers.#.mlpX.{c_fc1,c_fc2,c_proj} = \
        joint_transformer_blocks.#.ff.{linear_1,linear_2,out_projection}
    double_layers.#.mlpC.{c_fc1,c_fc2,c_proj} = \
        joint_transformer_blocks.#.ff_context.{linear_1,linear_2,out_projection}
    double_layers.#.{modX,modC}.1 = joint_transformer_blocks.#.{norm1,norm1_context}.linear
    single_layers.#.attn.{w1q,w1k,w1v,w1o} = single_transformer_blocks.#.attn.{to_q,to_k,to_v,to_out.0}
    single_layers.#.mlp.{c_fc1,c_fc2,c_proj} = \
        single_transformer_blocks.#.ff.{linear_1,linear_2,out_projection}
    single_layers.#.modCX.1 = single_transformer_blocks.#.norm1.linear
    cond_seq_linear = context_embedder
    final_linear = proj_out
    """,
    "pixart": """
    blocks.#.attn.qkv = transformer_blocks.#.attn1.<to_q|to_k|to_v>
    blocks.#.attn.proj = transformer_blocks.#.attn1.to_out.0
    blocks.#.cross_attn.{q_linear,proj} = transformer_blocks.#.attn2.{to_q,to_out.0}
    blocks.#.cross_attn.kv_linear = transformer_blocks.#.attn2.<to_k|to_v>
    blocks.#.{mlp.fc1,mlp.fc2} = transformer_blocks.#.{ff.net.0.proj,ff.net.2}
    blocks.#.mlp.{inverted_conv.conv,depth_conv.conv,point_conv.conv} = \
        transformer_blocks.#.ff.{conv_inverted,conv_depth,conv_point}
    t_block.1 = adaln_single.linear
    transformer_blocks.#.{attn1,attn2}.{to_q,to_k,to_v,to_out.0}
    transformer_blocks.#.ff.{conv_inverted,conv_depth,conv_point,net.0.proj,net.2}
    """,
    "hunyuan_dit": """
    blocks.#.attn1.Wqkv = blocks.#.attn1.<to_q|to_k|to_v>
    blocks.#.attn2.kv_proj = blocks.#.attn2.<to_k|to_v>
    blocks.#.{attn1.out_proj,attn2.out_proj,attn2.q_proj} = \
        blocks.#.{attn1.to_out.0,attn2.to_out.0,attn2.to_q}
    """,
    "wan": """
    {blocks,vace_blocks}.#.self_attn.{q,k,v,o} = {blocks,vace_blocks}.#.attn1.{to_q,to_k,to_v,to_out.0}
    {blocks,vace_blocks}.#.cross_attn.{q,k,v,o} = {blocks,vace_blocks}.#.attn2.{to_q,to_k,to_v,to_out.0}
    {blocks,vace_blocks}.#.cross_attn.{k_img,v_img} = {blocks,vace_blocks}.#.attn2.{add_k_proj,add_v_proj}
    {blocks,vace_blocks}.#.{ffn.0,ffn.2} = {blocks,vace_blocks}.#.{ffn.net.0.proj,ffn.net.2}
    vace_blocks.#.{before_proj,after_proj} = vace_blocks.#.{proj_in,proj_out}
    {time_embedding,text_embedding}.0 = condition_embedder.{time_embedder,text_embedder}.linear_1
    {time_embedding,text_embedding}.2 = condition_embedder.{time_embedder,text_embedder}.linear_2
    time_projection.1 = condition_embedder.time_proj
    img_emb.proj.{0,1,3,4} = condition_embedder.image_embedder.{norm1,ff.net.0.proj,ff.net.2,norm2}
    {head.head,head} = {proj_out,proj_out}
    patch_embedding
    """,
    "mochi": """
    blocks.#.attn.qkv_x = transformer_blocks.#.attn1.<to_q|to_k|to_v>
    blocks.#.attn.qkv_y = transformer_blocks.#.attn1.<add_q_proj|add_k_proj|add_v_proj>
    blocks.#.attn.{proj_x,proj_y} = transformer_blocks.#.attn1.{to_out.0,to_add_out}
    blocks.#.{mlp_x,mlp_y}.w1 = ~transformer_blocks.#.{ff,ff_context}.net.0.proj
    blocks.#.{mlp_x,mlp_y}.w2 = transformer_blocks.#.{ff,ff_context}.net.2
    blocks.#.{mod_x,mod_y} = transformer_blocks.#.{norm1,norm1_context}.linear
    """,
    "qwen": """
    transformer_blocks.#.{img_mlp,txt_mlp}.{net.0.proj,net.2}
    transformer_blocks.#.{img_mod,txt_mod}.1
    {img_in,txt_in,proj_out,norm_out.linear}
    time_text_embed.timestep_embedder.{linear_1,linear_2}
    """ + _ATTENTION,
    # Z-Image keeps its own names in diffusers, but for the fused projection.
    "z_image": _stacks("""
    STACK.#.attention.qkv = STACK.#.attention.<to_q|to_k|to_v>
    STACK.#.attention.out = STACK.#.attention.to_out.0
    STACK.#.feed_forward.{w1,w2,w3}
    STACK.#.adaLN_modulation.{0,1}
    cap_embedder.{0,1}
    t_embedder.mlp.{0,2}
    x_embedder = all_x_embedder.2-1
    final_layer.linear = all_final_layer.2-1.linear
    final_layer.adaLN_modulation.1 = all_final_layer.2-1.adaLN_modulation.1
    """),
    "lumina2": _stacks("""
    STACK.#.attention.qkv = STACK.#.attn.<to_q|to_k|to_v>
    STACK.#.attention.{out,to_q,to_k,to_v,to_out.0} = STACK.#.attn.{to_out.0,to_q,to_k,to_v,to_out.0}
    STACK.#.feed_forward.{w1,w2,w3} = STACK.#.feed_forward.{linear_1,linear_2,linear_3}
    STACK.#.adaLN_modulation.1 = STACK.#.norm1.linear
    cap_embedder.{0,1} = time_caption_embed.caption_embedder.{0,1}
    t_embedder.mlp.{0,2} = time_caption_embed.timestep_embedder.{linear_1,linear_2}
    final_layer.{adaLN_modulation.1,linear} = norm_out.{linear_1,linear_2}
    x_embedder
    """),
    "cosmos": """
    blocks.#.self_attn.{q_proj,k_proj,v_proj,output_proj} = \
        transformer_blocks.#.attn1.{to_q,to_k,to_v,to_out.0}
    blocks.#.cross_attn.{q_proj,k_proj,v_proj,output_proj} = \
        transformer_blocks.#.attn2.{to_q,to_k,to_v,to_out.0}
    blocks.#.{mlp.layer1,mlp.layer2} = transformer_blocks.#.{ff.net.0.proj,ff.net.2}
    blocks.#.{adaln_modulation_self_attn,adaln_modulation_cross_attn,adaln_modulation_mlp}.1 = \
        transformer_blocks.#.{norm1,norm2,norm3}.linear_1
    blocks.#.{adaln_modulation_self_attn,adaln_modulation_cross_attn,adaln_modulation_mlp}.2 = \
        transformer_blocks.#.{norm1,norm2,norm3}.linear_2
    final_layer.{adaln_modulation.1,adaln_modulation.2,linear} = \
        {norm_out.linear_1,norm_out.linear_2,proj_out}
    t_embedder.1 = time_embed.t_embedder
    x_embedder.proj.1 = patch_embed.proj
    llm_adapter.blocks.#.{self_attn,cross_attn}.{q_proj,k_proj,v_proj,o_proj}
    llm_adapter.blocks.#.mlp.{0,2}
    """,
    "krea2": """
    blocks.#.attn.{wq,wk,wv,wo,gate} = transformer_blocks.#.attn.{to_q,to_k,to_v,to_out.0,to_gate}
    blocks.#.mlp.{gate,up,down} = transformer_blocks.#.ff.{gate,up,down}
    txtfusion.{layerwise_blocks,refiner_blocks}.#.attn.{wq,wk,wv,wo,gate} = \
        text_fusion.{layerwise_blocks,refiner_blocks}.#.attn.{to_q,to_k,to_v,to_out.0,to_gate}
    txtfusion.{layerwise_blocks,refiner_blocks}.#.mlp.{gate,up,down} = \
        text_fusion.{layerwise_blocks,refiner_blocks}.#.ff.{gate,up,down}
    txtfusion.projector = text_fusion.projector
    txtmlp.{1,3} = txt_in.{linear_1,linear_2}
    tmlp.{0,2} = time_embed.{linear_1,linear_2}
    {first,last.linear,tproj.1} = {img_in,final_layer.linear,time_mod_proj}
    """,
    "ideogram4": """
    layers.#.attention.qkv = layers.#.attention.<to_q|to_k|to_v>
    layers.#.attention.{o,out} = layers.#.attention.{to_out.0,to_out.0}
    layers.#.feed_forward.{w1,w2,w3}
    layers.#.adaln_modulation
    """,
    "ltx": """
    {adaln_single,audio_adaln_single}.linear = {time_embed,audio_time_embed}.linear
    {adaln_single,audio_adaln_single}.emb.timestep_embedder.linear_1 = \
        {time_embed,audio_time_embed}.emb.timestep_embedder.linear_1
    {adaln_single,audio_adaln_single}.emb.timestep_embedder.linear_2 = \
        {time_embed,audio_time_embed}.emb.timestep_embedder.linear_2
    {patchify_proj,audio_patchify_proj} = {proj_in,audio_proj_in}
    """,
}  # fmt: skip

# The names that each family of `family_table` speaks; a family that is not here keeps those it has.
FAMILY_NAMES: dict[str, str] = {
    "flux1": "flux", "chroma": "flux",
    "flux2_dev": "flux2", "flux2_klein_9b": "flux2", "flux2_klein_4b": "flux2",
    "hunyuan_video": "hunyuan", "hunyuan_video_15": "hunyuan", "hunyuan_image": "hunyuan",
    "sd3_medium": "sd3", "sd35_medium": "sd3", "sd35_large": "sd3",
    "auraflow": "auraflow", "pony_v7": "auraflow", "pixart": "pixart", "sana": "pixart",
    "hunyuan_dit": "hunyuan_dit", "wan_1_3b": "wan", "wan_5b": "wan", "wan_14b": "wan", "mochi": "mochi",
    "qwen_image": "qwen", "z_image": "z_image", "lumina2": "lumina2", "anima": "cosmos", "krea2": "krea2",
    "ideogram4": "ideogram4", "ltx_2b": "ltx", "ltx_13b": "ltx", "ltx2": "ltx",
}  # fmt: skip
