//! Puts the SDKs of the interpreted languages into the library, as lists of file names and texts.
//!
//! A list of `include_str!` by hand would miss the next file; a crate that includes folders would take along what
//! test runs leave in them.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An SDK: the constant's name, its folder, and what of it a build or a test of a controller needs.
const SDKS: [(&str, &str, &[&str]); 2] = [
    ("PYTHON", "python", &["polyreme", "pyproject.toml", "README.md"]),
    ("JS", "js", &["src", "package.json", "README.md"]),
];

/// Sources; anything else is a leftover.
const EXTENSIONS: [&str; 7] = ["py", "typed", "toml", "js", "ts", "json", "md"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut code = String::new();
    for (name, folder, parts) in SDKS {
        let root = here.join("../../guest-sdk").join(folder).canonicalize()?;
        let mut files = Vec::new();
        for part in parts {
            println!("cargo::rerun-if-changed={}", root.join(part).display());
            collect(&root.join(part), &mut files)?;
        }
        files.sort();
        code += &format!("pub(super) const {name}: &[(&str, &str)] = &[\n");
        for file in files {
            let inside = file.strip_prefix(&root).map_err(io::Error::other)?;
            // Writing to a String cannot fail.
            _ = writeln!(
                code,
                "    ({:?}, include_str!({:?})),",
                slashed(inside),
                file.display().to_string()
            );
        }
        code += "];\n";
    }
    fs::write(out.join("sdks.rs"), code)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| collect(&entry?.path(), files));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if path.is_file() && EXTENSIONS.contains(&extension) {
        files.push(path.to_owned());
    }
    Ok(())
}

/// With `/` on every system.
fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
