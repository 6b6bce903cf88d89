//! A registry server on loopback, modules to push, and fetchers that do not see this machine's settings.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use polyreme_sources::{Digest, Fetcher, Pinned, Reference, Remote, Settings, SourceError};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

const BINARY: &str = "docker-registry";

/// "secret" for the user "user", by bcrypt at its lowest cost.
const HTPASSWD: &str = "user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Ends the test when the server is not installed, and says so.
macro_rules! registry {
    ($auth:expr) => {
        match crate::fixture::RegistryServer::start($auth) {
            Some(server) => server,
            None => return,
        }
    };
    () => {
        registry!(crate::fixture::Auth::None)
    };
}
pub(crate) use registry;

/// Whom a registry serves.
#[derive(Clone)]
pub(crate) enum Auth {
    None,
    /// User `user`, password `secret`.
    Basic,
    /// Whoever has any token of this service; the server's own `silly` scheme.
    Token {
        realm: String,
    },
}

/// Stopped when dropped.
pub(crate) struct RegistryServer {
    folder: TempDir,
    address: String,
    process: Mutex<Option<Child>>,
    // Bound and never listening: nobody else is given the port while the server is down.
    _port: TcpSocket,
}

impl RegistryServer {
    /// Nothing when it is not installed.
    pub(crate) fn start(auth: Auth) -> Option<Self> {
        let installed =
            std::env::split_paths(&std::env::var_os("PATH")?).any(|path| path.join(BINARY).is_file());
        if !installed {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            let note = format!("\nNOT RUN: {name}: {BINARY} is missing; `apt-get install {BINARY}`\n");
            // Past the test harness, which would keep it to itself.
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = port.local_addr().unwrap().to_string();
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("storage") } },
            "http": { "addr": address, "secret": "of a test" },
        });
        match auth {
            Auth::None => {}
            Auth::Basic => {
                config["auth"] =
                    json!({ "htpasswd": { "realm": "test", "path": folder.path().join("htpasswd") } });
            }
            Auth::Token { realm } => {
                config["auth"] = json!({ "silly": { "realm": realm, "service": "test-service" } });
            }
        }
        let file = folder.path().join("config.yml");
        // YAML reads JSON.
        fs::write(&file, config.to_string()).unwrap();
        let process = serve(&file);
        Some(Self { folder, address, process: Mutex::new(Some(process)), _port: port })
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn stop(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// At the same address, with the same storage.
    pub(crate) fn start_again(&self) {
        self.stop();
        *self.process.lock().unwrap() = Some(serve(&self.folder.path().join("config.yml")));
    }

    pub(crate) fn reference(&self, name: &str) -> Reference {
        format!("{}/{name}", self.address).parse().unwrap()
    }

    /// Changes the bytes of a blob in the storage, behind the server's back.
    pub(crate) fn tamper(&self, digest: Digest) {
        let hex = digest.hex();
        let path = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        let path = path.join(&hex[..2]).join(&hex).join("data");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.last_mut().unwrap();
        *last = if *last == b' ' { b'\n' } else { b' ' };
        fs::write(path, bytes).unwrap();
    }

    /// Puts a blob as any tool would, and returns its descriptor.
    pub(crate) async fn put_blob(&self, name: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        let base = format!("http://{}", self.address);
        let begun = http().post(format!("{base}/v2/{name}/blobs/uploads/")).send().await.unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let put =
            http().put(format!("{location}&digest={digest}")).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(put.status(), 201);
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// Puts a manifest as any tool would.
    pub(crate) async fn put_manifest(&self, name: &str, tag: &str, manifest: &Value) -> Digest {
        let bytes = serde_json::to_vec_pretty(manifest).unwrap();
        let media_type = manifest["mediaType"].as_str().unwrap_or(MANIFEST_TYPE).to_owned();
        let url = format!("http://{}/v2/{name}/manifests/{tag}", self.address);
        let digest = Digest::of(&bytes);
        let put = http().put(url).header(CONTENT_TYPE, media_type).body(bytes).send().await.unwrap();
        assert_eq!(put.status(), 201, "{}", put.text().await.unwrap());
        digest
    }

    /// A manifest as the server has it.
    pub(crate) async fn manifest(&self, name: &str, tag: &str) -> Value {
        let url = format!("http://{}/v2/{name}/manifests/{tag}", self.address);
        let got = http().get(url).header("accept", MANIFEST_TYPE).send().await.unwrap();
        serde_json::from_slice(&got.bytes().await.unwrap()).unwrap()
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the server and waits until it says where it listens.
/// Starts one that listens.
fn serve(config: &Path) -> Child {
    let mut process = Command::new(BINARY)
        .arg("serve")
        .arg(config)
        .env_remove("HTTP_PROXY")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let listens = lines.by_ref().map_while(Result::ok).any(|line| {
        writeln!(said, "{line}").unwrap();
        line.contains("listening on ")
    });
    assert!(listens, "{BINARY} does not listen: {said}");
    // Whoever does not read what it says stops it.
    std::thread::spawn(move || lines.for_each(drop));
    process
}

/// A client that trusts nothing and needs nothing: for plain HTTP on loopback.
pub(crate) fn http() -> reqwest::Client {
    with_ring();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Clients of other crates take the process's provider of cryptography.
pub(crate) fn with_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A folder with a cache, docker's configuration and whatever else a test needs.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// Without credentials.
    pub(crate) fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        home.write("config.json", "{}");
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn log_in(&self, registry: &str, user: &str, password: &str) {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.write("config.json", &json!({ "auths": { registry: { "auth": auth } } }).to_string());
    }

    /// Settings that see nothing of this machine's, and do not wait for what will not come.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            cache: Some(self.path().join("cache")),
            docker_config: Some(self.path().join("config.json")),
            retries: 1,
            first_delay: Duration::from_millis(1),
            ..Settings::default()
        }
    }

    pub(crate) fn fetcher(&self) -> Fetcher {
        Fetcher::new(self.settings())
    }

    /// All files, relative.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path().strip_prefix(self.path()).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

/// A component that is small and unlike every other one.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let text = format!("(component (import \"test:{name}/api@1.0.0\" (instance)) (core module) )");
    wat::parse_str(text).unwrap()
}

/// Fetches an artifact without asking for a signature.
pub(crate) async fn fetch(fetcher: &Fetcher, pinned: &Pinned) -> Result<Arc<[u8]>, SourceError> {
    fetcher.fetch(&Remote::Oci(pinned.clone()), None).await
}

/// The messages of an error and its causes.
pub(crate) fn chain(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        write!(text, ": {current}").unwrap();
        cause = current.source();
    }
    text
}
