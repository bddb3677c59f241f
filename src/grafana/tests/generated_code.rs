//! The committed code of `generated/` is what the `.proto` files say.
//!
//! `HEADWATER_REGENERATE=1 cargo test -p grafana --test generated_code` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, started by a person"
)]

use std::path::{Path, PathBuf};

/// Compiles the `.proto` files without protoc and returns the generated files by name.
fn generate() -> Vec<(String, String)> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    let files = ["pluginv2.proto", "go_plugin.proto"];
    let descriptors = protox::compile(files, [room.join("proto")]).unwrap();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        .codec_path("crate::codec::ReservingCodec")
        .extern_path(
            ".pluginv2.QueryDataResponse",
            "crate::response::QueryDataResponse",
        )
        // A request holds decrypted passwords: what has no Debug cannot be logged by mistake.
        .skip_debug([".pluginv2"])
        .compile_fds(descriptors)
        .unwrap();
    let mut generated: Vec<(String, String)> = std::fs::read_dir(out.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    generated.sort();
    generated
}

#[test]
fn the_committed_code_is_what_the_protocol_files_say() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "generated"].iter().collect();
    let generated = generate();
    assert_eq!(generated.len(), 2);
    for (name, text) in generated {
        let path = folder.join(&name);
        if std::env::var_os("HEADWATER_REGENERATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not what proto/ says: run HEADWATER_REGENERATE=1 cargo test -p grafana --test \
             generated_code",
            path.display()
        );
    }
}
