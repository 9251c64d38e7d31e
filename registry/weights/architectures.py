"""The layers of the image transformers, as data: each layer's name, its size and the blocks it is in.

A line is `path in out`. `#D` is a block number that is at most the family's D, `#1` one that is at most 1,
`#A+D` one above A and at most D;
`{a,b}` stands for each, `{0..48}` for each number; `3h` is three times the family's h, `h+m` a sum, a plain
number itself, and `-` any size. Two lines of one path are two sizes that it may have. Names and sizes were
read from the published models: huggingface/diffusers 0.42, comfyanonymous/ComfyUI, kohya-ss/sd-scripts and
musubi-tuner, whose module lists the tests compare them with.
"""

from __future__ import annotations

IMAGE_ARCHITECTURES: dict[str, str] = {
    # FLUX in Black Forest Labs' own names
    "flux": """
        double_blocks.#D.{img,txt}_attn.qkv h 3h
        double_blocks.#D.{img,txt}_attn.proj h h
        double_blocks.#D.{img,txt}_mlp.0 h m
        double_blocks.#D.{img,txt}_mlp.2 u h
        img_in - h
        txt_in t h
        final_layer.linear h -
    """,
    "flux_time": """
        {time_in,guidance_in}.in_layer 256 h
        {time_in,guidance_in}.out_layer h h
        final_layer.adaLN_modulation.1 h 2h
    """,
    "flux_single": """
        single_blocks.#S.linear1 h 3h+m
        single_blocks.#S.linear2 h+u h
    """,
    # modulation in each block: FLUX.1 has it, Chroma and FLUX.2 do not
    "flux_single_modulation": """
        single_blocks.#S.modulation.lin h 3h
    """,
    "flux_modulation": """
        double_blocks.#D.{img,txt}_mod.lin h 6h
        vector_in.in_layer 768 h
        vector_in.out_layer h h
    """,
    "flux2_modulation": """
        {double_stream_modulation_img,double_stream_modulation_txt}.lin h 6h
        single_stream_modulation.lin h 3h
    """,
    "xlabs": """
        double_blocks.#D.processor.qkv_{lora1,lora2} h 3h
        double_blocks.#D.processor.proj_{lora1,lora2} h h
        single_blocks.#S.processor.qkv_lora h 3h
        single_blocks.#S.processor.proj_lora h h
    """,
    "chroma": """
        distilled_guidance_layer.in_proj 64 5120
        distilled_guidance_layer.out_proj 5120 3072
        distilled_guidance_layer.layers.#4.{in_layer,out_layer,linear_1,linear_2} 5120 5120
        nerf_blocks.#3.param_generator 3072 49152
        nerf_image_embedder.embedder.0 67 64
        nerf_final_layer_conv.conv 64 3
        img_in_patch 3 3072
    """,
    # double-stream attention in diffusers' names, shared by many families
    "joint_attention": """
        transformer_blocks.#D.attn.{to_q,to_k,to_v,to_out.0} h h
        transformer_blocks.#D.attn.{add_q_proj,add_k_proj,add_v_proj,to_add_out} h h
    """,
    "joint_feed_forward": """
        transformer_blocks.#D.{ff,ff_context}.net.0.proj h m
        transformer_blocks.#D.{ff,ff_context}.net.2 m h
    """,
    "joint_norm1": """
        transformer_blocks.#D.norm1.linear h 6h
    """,
    "joint_modulation": """
        transformer_blocks.#D.norm1_context.linear h 6h
        norm_out.linear h 2h
        time_text_embed.{timestep_embedder,guidance_embedder}.linear_1 256 h
        time_text_embed.text_embedder.linear_1 p h
        time_text_embed.{timestep_embedder,guidance_embedder,text_embedder}.linear_2 h h
    """,
    "joint_ends": """
        x_embedder - h
        context_embedder t h
        proj_out h -
    """,
    "single_stream": """
        single_transformer_blocks.#S.attn.{to_q,to_k,to_v} h h
        single_transformer_blocks.#S.proj_mlp h m
        single_transformer_blocks.#S.proj_out h+m h
    """,
    "single_modulation": """
        single_transformer_blocks.#S.norm.linear h 3h
    """,
    "flux2_diffusers": """
        transformer_blocks.#D.{ff,ff_context}.linear_in h m
        transformer_blocks.#D.{ff,ff_context}.linear_out u h
        single_transformer_blocks.#S.attn.to_qkv_mlp_proj h 3h+m
        single_transformer_blocks.#S.attn.to_out h+u h
        {double_stream_modulation_img,double_stream_modulation_txt}.linear h 6h
        single_stream_modulation.linear h 3h
        time_guidance_embed.{timestep_embedder,guidance_embedder}.linear_1 256 h
        time_guidance_embed.{timestep_embedder,guidance_embedder}.linear_2 h h
        norm_out.linear h 2h
    """,
    "sd3": """
        joint_blocks.#D.{x_block,context_block}.attn.qkv h 3h
        joint_blocks.#D.{x_block,context_block}.attn.proj h h
        joint_blocks.#D.{x_block,context_block}.mlp.fc1 h 4h
        joint_blocks.#D.{x_block,context_block}.mlp.fc2 4h h
        joint_blocks.#D.context_block.adaLN_modulation.1 h 6h
        joint_blocks.#D.context_block.adaLN_modulation.1 h 2h
        context_embedder 4096 h
        final_layer.linear h 64
        final_layer.adaLN_modulation.1 h 2h
        x_embedder.proj 16 h
        t_embedder.mlp.0 256 h
        y_embedder.mlp.0 2048 h
        {t_embedder,y_embedder}.mlp.2 h h
    """,
    "sd3_modulation": """
        joint_blocks.#D.x_block.adaLN_modulation.1 h 6h
    """,
    # the last block's text stream is only read, so its modulation is a third
    "sd3_diffusers": """
        transformer_blocks.#D.norm1_context.linear h 2h
        pos_embed.proj 16 h
    """,
    "sd35_second_attention": """
        joint_blocks.#A.x_block.attn2.qkv h 3h
        joint_blocks.#A.x_block.attn2.proj h h
        joint_blocks.#A.x_block.adaLN_modulation.1 h 9h
        joint_blocks.#A+D.x_block.adaLN_modulation.1 h 6h
    """,
    "sd35_second_attention_diffusers": """
        transformer_blocks.#A.attn2.{to_q,to_k,to_v,to_out.0} h h
        transformer_blocks.#A.norm1.linear h 9h
        transformer_blocks.#A+D.norm1.linear h 6h
    """,
    "auraflow": """
        double_layers.#3.attn.{w1q,w1k,w1v,w1o,w2q,w2k,w2v,w2o} h h
        double_layers.#3.{mlpC,mlpX}.{c_fc1,c_fc2} h 8192
        double_layers.#3.{mlpC,mlpX}.c_proj 8192 h
        double_layers.#3.{modC,modX}.1 h 6h
        single_layers.#31.attn.{w1q,w1k,w1v,w1o} h h
        single_layers.#31.mlp.{c_fc1,c_fc2} h 8192
        single_layers.#31.mlp.c_proj 8192 h
        single_layers.#31.modCX.1 h 6h
        cond_seq_linear 2048 h
        init_x_linear 16 h
        final_linear h 16
        modF.1 h 2h
        t_embedder.mlp.0 256 h
        t_embedder.mlp.2 h h
    """,
    "auraflow_diffusers": """
        joint_transformer_blocks.#3.attn.{to_q,to_k,to_v,to_out.0} h h
        joint_transformer_blocks.#3.attn.{add_q_proj,add_k_proj,add_v_proj,to_add_out} h h
        joint_transformer_blocks.#3.{ff,ff_context}.{linear_1,linear_2} h 8192
        joint_transformer_blocks.#3.{ff,ff_context}.out_projection 8192 h
        joint_transformer_blocks.#3.{norm1,norm1_context}.linear h 6h
        single_transformer_blocks.#31.attn.{to_q,to_k,to_v,to_out.0} h h
        single_transformer_blocks.#31.ff.{linear_1,linear_2} h 8192
        single_transformer_blocks.#31.ff.out_projection 8192 h
        single_transformer_blocks.#31.norm1.linear h 6h
        context_embedder 2048 h
        pos_embed.proj 16 h
        time_step_proj.linear_1 256 h
        time_step_proj.linear_2 h h
        norm_out.linear h 2h
        proj_out h 16
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
        t_embedder.mlp.0 256 h
        t_embedder.mlp.2 h h
        {csize_embedder,ar_embedder}.mlp.0 256 384
        {csize_embedder,ar_embedder}.mlp.2 384 384
        y_embedder.y_proj.fc1 4096 h
        y_embedder.y_proj.fc2 h h
        x_embedder.proj 4 h
        final_layer.linear h 32
    """,
    # one self-attention and one cross-attention a block, in diffusers' names
    "cross_attention": """
        transformer_blocks.#D.{attn1,attn2}.{to_q,to_k,to_v,to_out.0} h h
        caption_projection.linear_1 t h
        caption_projection.linear_2 h h
        proj_out h -
    """,
    "plain_feed_forward": """
        transformer_blocks.#D.ff.net.0.proj h 4h
        transformer_blocks.#D.ff.net.2 4h h
    """,
    "adaln_single": """
        adaln_single.linear h 6h
        adaln_single.emb.timestep_embedder.linear_1 256 h
        adaln_single.emb.timestep_embedder.linear_2 h h
    """,
    "pixart_sizes": """
        adaln_single.emb.{resolution_embedder,aspect_ratio_embedder}.linear_1 256 384
        adaln_single.emb.{resolution_embedder,aspect_ratio_embedder}.linear_2 384 384
        pos_embed.proj 4 h
    """,
    "time_embed_single": """
        time_embed.linear h 6h
        time_embed.emb.timestep_embedder.linear_1 256 h
        time_embed.emb.timestep_embedder.linear_2 h h
    """,
    "sana": """
        transformer_blocks.#D.ff.conv_inverted h 5h
        transformer_blocks.#D.ff.conv_depth - 5h
        transformer_blocks.#D.ff.conv_point - h
        patch_embed.proj 32 h
    """,
    "hunyuan_dit": """
        blocks.#D.attn1.Wqkv h 3h
        blocks.#D.{attn1,attn2}.out_proj h h
        blocks.#D.attn2.q_proj h h
        blocks.#D.attn2.kv_proj 1024 2h
        blocks.#D.mlp.fc1 h 6144
        blocks.#D.mlp.fc2 6144 h
        blocks.#D.default_modulation.1 h h
        blocks.#D.skip_linear 2h h
        mlp_t5.0 2048 8192
        mlp_t5.2 8192 1024
        pooler.{k_proj,q_proj,v_proj} 2048 2048
        pooler.c_proj 2048 1024
        x_embedder.proj 4 h
        t_embedder.mlp.0 256 h
        t_embedder.mlp.2 h h
        extra_embedder.0 - 4h
        extra_embedder.2 4h h
        final_layer.linear h 32
        final_layer.adaLN_modulation.1 h 2h
    """,
    "hunyuan_dit_diffusers": """
        blocks.#D.attn1.{to_q,to_k,to_v,to_out.0} h h
        blocks.#D.attn2.{to_q,to_out.0} h h
        blocks.#D.attn2.{to_k,to_v} 1024 h
        blocks.#D.ff.net.0.proj h 6144
        blocks.#D.ff.net.2 6144 h
        blocks.#D.norm1.linear h h
        blocks.#D.skip_linear 2h h
        text_embedder.linear_1 2048 8192
        time_extra_emb.style_embedder - -
        text_embedder.linear_2 8192 1024
        pos_embed.proj 4 h
        time_extra_emb.timestep_embedder.linear_1 256 h
        time_extra_emb.timestep_embedder.linear_2 h h
        time_extra_emb.extra_embedder.linear_1 - 4h
        time_extra_emb.extra_embedder.linear_2 4h h
        time_extra_emb.pooler.{k_proj,q_proj,v_proj} 2048 2048
        time_extra_emb.pooler.c_proj 2048 1024
        norm_out.linear h 2h
        proj_out h 32
    """,
    "qwen": """
        transformer_blocks.#D.{img_mlp,txt_mlp}.net.0.proj h m
        transformer_blocks.#D.{img_mlp,txt_mlp}.net.2 m h
        transformer_blocks.#D.{img_mod,txt_mod}.1 h 6h
        img_in 64 h
        txt_in t h
        proj_out h 64
        norm_out.linear h 2h
        time_text_embed.timestep_embedder.linear_1 256 h
        time_text_embed.timestep_embedder.linear_2 h h
    """,
    # Lumina 2 and Z-Image; q is the fused projection's width, k that of keys and values
    "next_dit": """
        layers.#D.attention.qkv h q
        layers.#D.attention.{out,to_q,to_out.0} h h
        layers.#D.attention.{to_k,to_v} h k
        layers.#D.feed_forward.{w1,w3} h f
        layers.#D.feed_forward.w2 f h
        layers.#D.{adaLN_modulation.0,adaLN_modulation.1} e 4h
        {noise_refiner,context_refiner}.#1.attention.qkv h q
        {noise_refiner,context_refiner}.#1.attention.{out,to_q,to_out.0} h h
        {noise_refiner,context_refiner}.#1.attention.{to_k,to_v} h k
        {noise_refiner,context_refiner}.#1.feed_forward.{w1,w3} h f
        {noise_refiner,context_refiner}.#1.feed_forward.w2 f h
        noise_refiner.#1.{adaLN_modulation.0,adaLN_modulation.1} e 4h
        cap_embedder.1 t h
        x_embedder 64 h
        t_embedder.mlp.0 256 1024
        t_embedder.mlp.2 1024 e
        final_layer.linear h 64
        final_layer.adaLN_modulation.1 e h
    """,
    "z_image_ends": """
        all_x_embedder.2-1 64 h
        all_final_layer.2-1.linear h 64
        all_final_layer.2-1.adaLN_modulation.1 e h
    """,
    # Lumina 2 in diffusers' names, and OmniGen2
    "lumina_diffusers": """
        layers.#D.attn.{to_q,to_out.0} h h
        layers.#D.attn.{to_k,to_v} h k
        layers.#D.feed_forward.{linear_1,linear_3} h f
        layers.#D.feed_forward.linear_2 f h
        layers.#D.norm1.linear 1024 4h
        {noise_refiner,context_refiner,ref_image_refiner}.#1.attn.{to_q,to_out.0} h h
        {noise_refiner,context_refiner,ref_image_refiner}.#1.attn.{to_k,to_v} h k
        {noise_refiner,context_refiner,ref_image_refiner}.#1.feed_forward.{linear_1,linear_3} h f
        {noise_refiner,context_refiner,ref_image_refiner}.#1.feed_forward.linear_2 f h
        {noise_refiner,ref_image_refiner}.#1.norm1.linear 1024 4h
        time_caption_embed.timestep_embedder.linear_1 256 1024
        time_caption_embed.timestep_embedder.linear_2 1024 1024
        time_caption_embed.caption_embedder.1 t h
        {x_embedder,ref_image_patch_embedder} 64 h
        norm_out.linear_1 1024 h
        norm_out.linear_2 h 64
    """,
    "hidream": """
        double_stream_blocks.#D.block.attn1.{to_q,to_k,to_v,to_out,to_q_t,to_k_t,to_v_t,to_out_t} h h
        single_stream_blocks.#S.block.attn1.{to_q,to_k,to_v,to_out} h h
        double_stream_blocks.#D.block.ff_i.shared_experts.{w1,w3} h 3584
        double_stream_blocks.#D.block.ff_i.shared_experts.w2 3584 h
        double_stream_blocks.#D.block.ff_i.experts.#3.{w1,w3} h 6912
        double_stream_blocks.#D.block.ff_i.experts.#3.w2 6912 h
        double_stream_blocks.#D.block.ff_i.gate h 4
        double_stream_blocks.#D.block.ff_t.{w1,w3} h 6912
        double_stream_blocks.#D.block.ff_t.w2 6912 h
        double_stream_blocks.#D.block.adaLN_modulation.1 h 12h
        single_stream_blocks.#S.block.ff_i.shared_experts.{w1,w3} h 3584
        single_stream_blocks.#S.block.ff_i.shared_experts.w2 3584 h
        single_stream_blocks.#S.block.ff_i.experts.#3.{w1,w3} h 6912
        single_stream_blocks.#S.block.ff_i.experts.#3.w2 6912 h
        single_stream_blocks.#S.block.ff_i.gate h 4
        single_stream_blocks.#S.block.adaLN_modulation.1 h 6h
        caption_projection.{0..48}.linear 4096 h
        t_embedder.timestep_embedder.linear_1 256 h
        t_embedder.timestep_embedder.linear_2 h h
        p_embedder.pooled_embedder.linear_1 2048 h
        p_embedder.pooled_embedder.linear_2 h h
        x_embedder.proj 64 h
        final_layer.linear h 64
        final_layer.adaLN_modulation.1 h 2h
    """,
    "krea2": """
        blocks.#D.attn.{wq,wo,gate} h h
        blocks.#D.attn.{wk,wv} h k
        blocks.#D.mlp.{gate,up} h m
        blocks.#D.mlp.down m h
        txtfusion.{layerwise_blocks,refiner_blocks}.#1.attn.{wq,wk,wv,wo,gate} t t
        txtfusion.{layerwise_blocks,refiner_blocks}.#1.mlp.{gate,up} t 6912
        txtfusion.{layerwise_blocks,refiner_blocks}.#1.mlp.down 6912 t
        txtfusion.projector 12 1
        txtmlp.1 t h
        txtmlp.3 h h
        tmlp.0 256 h
        tmlp.2 h h
        tproj.1 h 6h
        first 64 h
        last.linear h 64
    """,
    "krea2_diffusers": """
        transformer_blocks.#D.attn.{to_q,to_gate,to_out.0} h h
        transformer_blocks.#D.attn.{to_k,to_v} h k
        transformer_blocks.#D.ff.{gate,up} h m
        transformer_blocks.#D.ff.down m h
        text_fusion.{layerwise_blocks,refiner_blocks}.#1.attn.{to_q,to_k,to_v,to_gate,to_out.0} t t
        text_fusion.{layerwise_blocks,refiner_blocks}.#1.ff.{gate,up} t 6912
        text_fusion.{layerwise_blocks,refiner_blocks}.#1.ff.down 6912 t
        text_fusion.projector 12 1
        img_in 64 h
        txt_in.linear_1 t h
        txt_in.linear_2 h h
        time_embed.linear_1 256 h
        time_embed.linear_2 h h
        time_mod_proj h 6h
        final_layer.linear h 64
    """,
    "ideogram4": """
        layers.#D.attention.qkv h 3h
        layers.#D.attention.{o,to_q,to_k,to_v,to_out.0} h h
        layers.#D.feed_forward.{w1,w3} h f
        layers.#D.feed_forward.w2 f h
        layers.#D.adaln_modulation 512 4h
        input_proj 128 h
        llm_cond_proj 53248 h
        t_embedding.{mlp_in,mlp_out} h h
        adaln_proj h 512
        embed_image_indicator - -
        final_layer.linear h 128
        final_layer.adaln_modulation 512 h
    """,
}
