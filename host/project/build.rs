//! Puts the SDKs into the library, as lists of file names and texts.
//!
//! A list of `include_str!` by hand would miss the next file; a crate that includes folders would take along what
//! test runs leave in them.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// An SDK: the constant's name, its folder, and what of it a build or a test of a controller needs.
const SDKS: [(&str, &str, &[&str]); 4] = [
    (
        "RUST",
        ".",
        &[
            "guest-sdk/rust/Cargo.toml",
            "guest-sdk/rust/src",
            "host/selector/Cargo.toml",
            "host/selector/src",
            "wit",
        ],
    ),
    ("GO", "guest-sdk/go", &["."]),
    ("PYTHON", "guest-sdk/python", &["polyreme", "pyproject.toml", "README.md"]),
    ("JS", "guest-sdk/js", &["src", "package.json", "README.md"]),
];

/// The packages of Rust's SDK: they stay members of a workspace, as they are in this one.
const RUST_MEMBERS: [&str; 2] = ["guest-sdk/rust", "host/selector"];

/// Sources; anything else is a leftover.
const EXTENSIONS: [&str; 11] = ["rs", "wit", "go", "mod", "py", "typed", "toml", "js", "ts", "json", "md"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let repository = here.join("../..").canonicalize()?;
    let mut code = String::new();
    for (name, folder, parts) in SDKS {
        let root = repository.join(folder).canonicalize()?;
        let mut files = Vec::new();
        for part in parts {
            println!("cargo::rerun-if-changed={}", root.join(part).display());
            collect(&root.join(part).canonicalize()?, &mut files)?;
        }
        files.sort();
        code += &format!("pub(super) const {name}: &[(&str, &str)] = &[\n");
        for file in files {
            let inside = file.strip_prefix(&root).map_err(io::Error::other)?;
            include(&mut code, &slashed(inside), &file);
        }
        if name == "RUST" {
            let manifest = out.join("rust-workspace.toml");
            fs::write(&manifest, rust_workspace(&repository)?)?;
            include(&mut code, "Cargo.toml", &manifest);
        }
        code += "];\n";
    }
    fs::write(out.join("sdks.rs"), code)
}

fn include(code: &mut String, name: &str, file: &Path) {
    // Writing to a String cannot fail.
    _ = writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string());
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| collect(&entry?.path(), files));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_test = path.to_string_lossy().ends_with("_test.go");
    if path.is_file() && EXTENSIONS.contains(&extension) && !is_test {
        files.push(path.to_owned());
    }
    Ok(())
}

/// What the members of Rust's SDK inherit, and nothing else of the repository's workspace.
fn rust_workspace(repository: &Path) -> io::Result<String> {
    let manifest = repository.join("Cargo.toml");
    println!("cargo::rerun-if-changed={}", manifest.display());
    let whole = read(&manifest)?;
    let workspace = table(&whole, "workspace")?;
    let mut inherited = BTreeSet::new();
    for member in RUST_MEMBERS {
        add_inherited(&read(&repository.join(member).join("Cargo.toml"))?, &mut inherited);
    }
    let all = table(workspace, "dependencies")?;
    let dependencies: Table = all
        .iter()
        .filter(|(name, _)| inherited.contains(*name))
        .map(|(name, of)| (name.clone(), of.clone()))
        .collect();
    let mut kept = Table::new();
    kept.insert("resolver".into(), workspace.get("resolver").cloned().unwrap_or("3".into()));
    kept.insert("members".into(), Value::from(RUST_MEMBERS.to_vec()));
    kept.insert("package".into(), table(workspace, "package")?.clone().into());
    kept.insert("lints".into(), table(workspace, "lints")?.clone().into());
    kept.insert("dependencies".into(), dependencies.into());
    let text = toml::to_string(&Table::from_iter([("workspace".to_owned(), Value::Table(kept))]));
    text.map_err(io::Error::other)
}

/// Names of dependencies that say `workspace = true`, wherever they stand.
fn add_inherited(manifest: &Table, names: &mut BTreeSet<String>) {
    for (name, value) in manifest.iter().filter_map(|(name, value)| Some((name, value.as_table()?))) {
        if value.get("workspace") == Some(&Value::Boolean(true)) {
            names.insert(name.clone());
        }
        add_inherited(value, names);
    }
}

fn read(manifest: &Path) -> io::Result<Table> {
    fs::read_to_string(manifest)?.parse().map_err(io::Error::other)
}

fn table<'a>(of: &'a Table, name: &str) -> io::Result<&'a Table> {
    of.get(name)
        .and_then(Value::as_table)
        .ok_or_else(|| io::Error::other(format!("Cargo.toml has no [{name}]")))
}

/// With `/` on every system.
fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
