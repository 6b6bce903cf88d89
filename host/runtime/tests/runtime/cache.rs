//! Compiled code is kept between engines, and never trusted beyond what it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polyreme_runtime::wit::reconciler::Action;
use polyreme_runtime::{Engine, EngineConfig, EngineError, Limits};
use sha2::{Digest, Sha256};

use crate::guest::Guest;
use crate::session::{Api, request, session};

/// Loads a guest into a new engine over `folder` and runs it.
async fn load_and_run(folder: &Path) {
    let config =
        EngineConfig { cache_dir: Some(folder.to_owned()), max_instances: 2, ..EngineConfig::default() };
    let engine = Engine::new(config).expect("the engine starts");
    let module =
        engine.load("probe", Guest::new().component(), Limits::default()).await.expect("the guest loads");
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
}

/// The only entry of the cache.
fn entry(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder.join("compiled")).unwrap();
    let entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_second_engine_takes_the_code_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    load_and_run(folder.path()).await;
    let compiled = fs::metadata(entry(folder.path())).unwrap().ino();
    load_and_run(folder.path()).await;
    assert_eq!(fs::metadata(entry(folder.path())).unwrap().ino(), compiled);
}

#[tokio::test]
async fn a_damaged_entry_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    load_and_run(folder.path()).await;
    let path = entry(folder.path());
    let mut code = fs::read(&path).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 0xff;
    fs::write(&path, code).unwrap();
    load_and_run(folder.path()).await;
    let code = fs::read(entry(folder.path())).unwrap();
    assert!(path.to_str().unwrap().contains(&hex(&code)));
}

#[tokio::test]
async fn an_entry_of_something_else_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    load_and_run(folder.path()).await;
    let path = entry(folder.path());
    let name = path.file_stem().unwrap().to_str().unwrap();
    let (key, _) = name.rsplit_once('-').unwrap();
    let foreign = b"\x7fELF but not ours";
    let forged = path.with_file_name(format!("{key}-{}.cwasm", hex(foreign)));
    fs::remove_file(&path).unwrap();
    fs::write(&forged, foreign).unwrap();
    load_and_run(folder.path()).await;
    assert!(!forged.exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let config = EngineConfig { cache_dir: Some(file), ..EngineConfig::default() };
    let error = Engine::new(config).unwrap_err();
    assert!(matches!(error, EngineError::Cache { .. }), "{error:?}");
    assert!(error.to_string().contains("cacheDir"), "{error}");
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
