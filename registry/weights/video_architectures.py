"""The layers of the video transformers, and of the image models that share theirs, as data; see
`architectures` for how a line reads and where names and sizes come from.
"""

from __future__ import annotations

VIDEO_ARCHITECTURES: dict[str, str] = {
    # Tencent's own names. kohya flattens FLUX's `img_attn.qkv` into the very word; fc1 and linear differ
    "hunyuan_video": """
        double_blocks.#D.{img,txt}_attn_qkv h 3h
        double_blocks.#D.{img,txt}_attn_proj h h
        double_blocks.#D.{img,txt}_mlp.fc1 h m
        double_blocks.#D.{img,txt}_mlp.fc2 m h
        double_blocks.#D.{img,txt}_mod.linear h 6h
        img_in.proj - h
        txt_in.input_embedder t h
        txt_in.t_embedder.mlp.0 256 h
        txt_in.t_embedder.mlp.2 h h
        txt_in.c_embedder.linear_1 t h
        txt_in.c_embedder.linear_2 h h
        txt_in.individual_token_refiner.blocks.#1.self_attn_qkv h 3h
        txt_in.individual_token_refiner.blocks.#1.self_attn_proj h h
        txt_in.individual_token_refiner.blocks.#1.mlp.fc1 h m
        txt_in.individual_token_refiner.blocks.#1.mlp.fc2 m h
        txt_in.individual_token_refiner.blocks.#1.adaLN_modulation.1 h 2h
        {time_in,guidance_in}.mlp.0 256 h
        {time_in,guidance_in}.mlp.2 h h
        final_layer.linear h -
        final_layer.adaLN_modulation.1 h 2h
    """,
    "hunyuan_single": """
        single_blocks.#S.linear1 h 3h+m
        single_blocks.#S.linear2 h+m h
        single_blocks.#S.modulation.linear h 3h
    """,
    "hunyuan_pooled": """
        vector_in.in_layer 768 h
        vector_in.out_layer h h
    """,
    "hunyuan_glyphs": """
        byt5_in.fc1 1472 2048
        byt5_in.fc2 2048 2048
        byt5_in.fc3 2048 h
    """,
    "hunyuan_split": """
        double_blocks.#D.{img,txt}_attn_{q,k,v} h h
        vision_in.proj.1 1152 1152
        vision_in.proj.3 1152 h
        cond_type_embedding - -
    """,
    # the token refiner as ComfyUI names it
    "hunyuan_comfy": """
        txt_in.t_embedder.in_layer 256 h
        txt_in.t_embedder.out_layer h h
        txt_in.c_embedder.in_layer t h
        txt_in.c_embedder.out_layer h h
        txt_in.individual_token_refiner.blocks.#1.self_attn.qkv h 3h
        txt_in.individual_token_refiner.blocks.#1.self_attn.proj h h
        txt_in.individual_token_refiner.blocks.#1.mlp.0 h m
        txt_in.individual_token_refiner.blocks.#1.mlp.2 m h
    """,
    "hunyuan_diffusers": """
        x_embedder.proj - h
        context_embedder.proj_in t h
        context_embedder.time_text_embed.timestep_embedder.linear_1 256 h
        context_embedder.time_text_embed.text_embedder.linear_1 t h
        context_embedder.time_text_embed.{timestep_embedder,text_embedder}.linear_2 h h
        context_embedder.token_refiner.refiner_blocks.#1.attn.{to_q,to_k,to_v,to_out.0} h h
        context_embedder.token_refiner.refiner_blocks.#1.ff.net.0.proj h m
        context_embedder.token_refiner.refiner_blocks.#1.ff.net.2 m h
        context_embedder.token_refiner.refiner_blocks.#1.norm_out.linear h 2h
        proj_out h -
    """,
    "framepack": """
        clean_x_embedder.{proj,proj_2x,proj_4x} 16 h
        image_projection.up 1152 3h
        image_projection.down 3h h
    """,
    "hunyuan_image_diffusers": """
        time_guidance_embed.{timestep_embedder,guidance_embedder}.linear_1 256 h
        time_guidance_embed.{timestep_embedder,guidance_embedder}.linear_2 h h
    """,
    "hunyuan_video_15_diffusers": """
        image_embedder.linear_1 1152 1152
        image_embedder.linear_2 1152 h
        context_embedder_2.linear_1 1472 h
        context_embedder_2.{linear_2,linear_3} h h
        time_embed.timestep_embedder.linear_1 256 h
        time_embed.timestep_embedder.linear_2 h h
        cond_type_embed - -
    """,
    "wan": """
        blocks.#D.{self_attn,cross_attn}.{q,k,v,o} h h
        blocks.#D.cross_attn.{k_img,v_img} h h
        blocks.#D.{self_attn,cross_attn}.{norm_q,norm_k,norm_k_img} - -
        blocks.#D.ffn.0 h f
        blocks.#D.ffn.2 f h
        blocks.#D.{norm1,norm2,norm3,modulation} - -
        vace_blocks.#V.{self_attn,cross_attn}.{q,k,v,o} h h
        vace_blocks.#V.{self_attn,cross_attn}.{norm_q,norm_k} - -
        vace_blocks.#V.ffn.0 h f
        vace_blocks.#V.ffn.2 f h
        vace_blocks.#V.norm3 - -
        vace_blocks.#V.{before_proj,after_proj} h h
        audio_injector.injector.#11.{q,k,v,o} h h
        audio_injector.injector_adain_layers.#11.linear h 2h
        face_adapter.fuser_blocks.#7.linear1_kv h 2h
        face_adapter.fuser_blocks.#7.{linear1_q,linear2} h h
        time_projection.1 h 6h
        time_embedding.0 256 h
        time_embedding.2 h h
        text_embedding.0 4096 h
        text_embedding.2 h h
        {head,head.head} h -
        {patch_embedding,vace_patch_embedding,pose_patch_embedding} - h
        img_emb.proj.1 1280 1280
        img_emb.proj.3 1280 h
        img_emb.proj.{0,4} - -
    """,
    "wan_diffusers": """
        blocks.#D.{attn1,attn2}.{to_q,to_k,to_v,to_out.0} h h
        blocks.#D.attn2.{add_k_proj,add_v_proj} h h
        blocks.#D.ffn.net.0.proj h f
        blocks.#D.ffn.net.2 f h
        vace_blocks.#V.{attn1,attn2}.{to_q,to_k,to_v,to_out.0} h h
        vace_blocks.#V.ffn.net.0.proj h f
        vace_blocks.#V.ffn.net.2 f h
        vace_blocks.#V.{proj_in,proj_out} h h
        condition_embedder.time_embedder.linear_1 256 h
        condition_embedder.time_embedder.linear_2 h h
        condition_embedder.time_proj h 6h
        condition_embedder.text_embedder.linear_1 4096 h
        condition_embedder.text_embedder.linear_2 h h
        condition_embedder.image_embedder.ff.net.0.proj 1280 1280
        condition_embedder.image_embedder.ff.net.2 1280 h
        {patch_embedding,vace_patch_embedding} - h
        proj_out h -
    """,
    # LTX-Video in Lightricks' own names, where they differ from diffusers'
    "ltx": """
        patchify_proj 128 h
    """,
    "ltx_diffusers": """
        proj_in 128 h
    """,
    "ltx2_audio": """
        transformer_blocks.#D.{audio_attn1,audio_attn2}.{to_q,to_k,to_v,to_out.0} 2048 2048
        transformer_blocks.#D.audio_to_video_attn.to_q h 2048
        transformer_blocks.#D.audio_to_video_attn.{to_k,to_v} 2048 2048
        transformer_blocks.#D.audio_to_video_attn.to_out.0 2048 h
        transformer_blocks.#D.video_to_audio_attn.{to_q,to_out.0} 2048 2048
        transformer_blocks.#D.video_to_audio_attn.{to_k,to_v} h 2048
        transformer_blocks.#D.audio_ff.net.0.proj 2048 8192
        transformer_blocks.#D.audio_ff.net.2 8192 2048
        {audio_patchify_proj,audio_proj_in} 128 2048
        audio_proj_out 2048 128
        audio_caption_projection.linear_1 3840 2048
        audio_caption_projection.linear_2 2048 2048
        {audio_adaln_single,audio_time_embed}.linear 2048 12288
        {audio_adaln_single,audio_time_embed}.emb.timestep_embedder.linear_1 256 2048
        {audio_adaln_single,audio_time_embed}.emb.timestep_embedder.linear_2 2048 2048
        av_cross_attn_{video_scale_shift,video_a2v_gate}.linear h -
        av_cross_attn_{video_scale_shift,video_a2v_gate}.emb.timestep_embedder.linear_1 256 h
        av_cross_attn_{video_scale_shift,video_a2v_gate}.emb.timestep_embedder.linear_2 h h
        av_cross_attn_{audio_scale_shift,audio_v2a_gate}.linear 2048 -
        av_cross_attn_{audio_scale_shift,audio_v2a_gate}.emb.timestep_embedder.linear_1 256 2048
        av_cross_attn_{audio_scale_shift,audio_v2a_gate}.emb.timestep_embedder.linear_2 2048 2048
    """,
    "cogvideox": """
        transformer_blocks.#D.attn1.{to_q,to_k,to_v,to_out.0} h h
        transformer_blocks.#D.ff.net.0.proj h 4h
        transformer_blocks.#D.ff.net.2 4h h
        transformer_blocks.#D.{norm1,norm2}.linear 512 6h
        patch_embed.proj - h
        patch_embed.text_proj 4096 h
        time_embedding.linear_1 h 512
        time_embedding.linear_2 512 512
        norm_out.linear 512 2h
        proj_out h -
    """,
    "mochi": """
        blocks.#D.attn.qkv_x 3072 9216
        blocks.#D.attn.qkv_y 1536 9216
        blocks.#D.attn.proj_x 3072 3072
        blocks.#D.attn.proj_y 3072 1536
        blocks.#D.mlp_x.w1 3072 16384
        blocks.#D.mlp_x.w2 8192 3072
        blocks.#D.mlp_y.w1 1536 8192
        blocks.#D.mlp_y.w2 4096 1536
        blocks.#D.mod_x 3072 12288
        blocks.#D.mod_y 3072 6144
        blocks.#D.mod_y 3072 1536
        x_embedder.proj 12 3072
        t_embedder.mlp.0 256 3072
        t_embedder.mlp.2 3072 3072
        final_layer.mod 3072 6144
        final_layer.linear 3072 -
    """,
    "mochi_diffusers": """
        transformer_blocks.#D.attn1.{to_q,to_k,to_v,to_out.0} 3072 3072
        transformer_blocks.#D.attn1.{add_q_proj,add_k_proj,add_v_proj} 1536 3072
        transformer_blocks.#D.attn1.to_add_out 3072 1536
        transformer_blocks.#D.ff.net.0.proj 3072 16384
        transformer_blocks.#D.ff.net.2 8192 3072
        transformer_blocks.#D.ff_context.net.0.proj 1536 8192
        transformer_blocks.#D.ff_context.net.2 4096 1536
        transformer_blocks.#D.norm1.linear 3072 12288
        transformer_blocks.#D.norm1_context.linear 3072 6144
        transformer_blocks.#D.norm1_context.linear_1 3072 1536
        patch_embed.proj 12 3072
        time_embed.timestep_embedder.linear_1 256 3072
        time_embed.timestep_embedder.linear_2 3072 3072
        time_embed.pooler.to_kv 4096 8192
        time_embed.pooler.to_q 4096 4096
        time_embed.pooler.to_out 4096 3072
        time_embed.caption_proj 4096 1536
        norm_out.linear 3072 6144
        proj_out 3072 48
    """,
    "kandinsky5": """
        visual_transformer_blocks.#D.{self_attention,cross_attention}.{to_query,to_key,to_value,out_layer} h h
        visual_transformer_blocks.#D.feed_forward.in_layer h f
        visual_transformer_blocks.#D.feed_forward.out_layer f h
        visual_transformer_blocks.#D.visual_modulation.out_layer e 9h
        text_transformer_blocks.#T.self_attention.{to_query,to_key,to_value,out_layer} h h
        text_transformer_blocks.#T.feed_forward.in_layer h f
        text_transformer_blocks.#T.feed_forward.out_layer f h
        text_transformer_blocks.#T.text_modulation.out_layer e 6h
        time_embeddings.in_layer h e
        time_embeddings.out_layer e e
        text_embeddings.in_layer 3584 h
        pooled_text_embeddings.in_layer 768 e
        visual_embeddings.in_layer - h
        out_layer.modulation.out_layer e 2h
        out_layer.out_layer h -
    """,
    # NVIDIA's Cosmos-Predict2 of 2 B parameters, which Anima is made from
    "cosmos": """
        blocks.#D.self_attn.{q_proj,k_proj,v_proj,output_proj} h h
        blocks.#D.cross_attn.{q_proj,output_proj} h h
        blocks.#D.cross_attn.{k_proj,v_proj} - h
        blocks.#D.mlp.layer1 h 4h
        blocks.#D.mlp.layer2 4h h
        blocks.#D.{adaln_modulation_self_attn,adaln_modulation_cross_attn,adaln_modulation_mlp}.1 h -
        blocks.#D.{adaln_modulation_self_attn,adaln_modulation_cross_attn,adaln_modulation_mlp}.2 - 3h
        x_embedder.proj.1 - h
        t_embedder.1.linear_1 h h
        t_embedder.1.linear_2 h 3h
        final_layer.linear h 64
        final_layer.adaln_modulation.1 h 256
        final_layer.adaln_modulation.2 256 2h
    """,
    "anima": """
        llm_adapter.blocks.#5.{self_attn,cross_attn}.{q_proj,k_proj,v_proj,o_proj} 1024 1024
        llm_adapter.blocks.#5.mlp.0 1024 4096
        llm_adapter.blocks.#5.mlp.2 4096 1024
        llm_adapter.{in_proj,out_proj} 1024 1024
    """,
}
