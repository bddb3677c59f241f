//! Takes the page into the crate, where the front end's build has left one.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how a build script and cargo speak"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let frontend = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend/page");
    // The folder of the sources, for a path that is not there would have cargo build this crate
    // anew every time.
    if frontend.exists() {
        println!("cargo::rerun-if-changed={}", frontend.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let mut files: Vec<PathBuf> = Vec::new();
    if let Ok(entries) = fs::read_dir(frontend.join("dist")) {
        for entry in entries {
            files.push(entry?.path().canonicalize()?);
        }
    }
    files.sort();
    let mut source = String::from("pub(super) const FILES: &[(&str, &str, &[u8])] = &[\n");
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str());
        let extension = file.extension().and_then(|extension| extension.to_str());
        let content_type = match extension {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("txt") => "text/plain; charset=utf-8",
            _ => {
                let reason = format!("{}: a file of no type that a page has", file.display());
                return Err(io::Error::other(reason));
            }
        };
        let name = name.unwrap_or_default();
        let path = file.display().to_string();
        let line = writeln!(
            source,
            "    ({name:?}, {content_type:?}, include_bytes!({path:?})),"
        );
        line.map_err(io::Error::other)?;
    }
    source.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("page_files.rs"), source)
}
