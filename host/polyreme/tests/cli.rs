//! The binary from the outside: exit codes, what is on stdout, what an error names.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy exempts #[test] functions only"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A folder that is removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("polyreme-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary in `folder`, with no cluster and no cache from the surroundings.
fn polyreme(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyreme"));
    command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("KUBECONFIG");
    command.env_remove("XDG_CACHE_HOME").env_remove("KUBERNETES_SERVICE_HOST").env_remove("POLYREME_LOG");
    command
}

fn output(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let Output { status, stderr, .. } = polyreme(&folder.0, arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

fn config(controller: &str) -> String {
    format!("apiVersion: polyreme.dev/v1alpha1\nkind: HostConfiguration\ncontrollers:\n{controller}")
}

/// A local API server, killed when the test fails.
struct Server {
    child: Child,
    ready: String,
}

impl Server {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = polyreme(&folder.0, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        Self { child, ready }
    }

    fn port(&self) -> String {
        let after = self.ready.split("https://127.0.0.1:").nth(1).unwrap();
        after.chars().take_while(char::is_ascii_digit).collect()
    }

    fn terminate(mut self) -> i32 {
        // The shell's own: a small machine has no program of that name.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn a_faulty_configuration_ends_with_code_2_and_its_place() {
    let folder = Folder::new("faulty");
    folder.file("p.yaml", &config("- name: a\n  module: file:a.wasm\n  worker: 1\n"));
    let (code, text) = output(&folder, &["run", "--config", "p.yaml"]);
    assert_eq!(code, 2);
    assert!(
        text.starts_with("error: p.yaml:6:3: unknown field \"worker\"; did you mean \"workers\"?"),
        "{text}"
    );
}

#[test]
fn without_a_cluster_every_place_that_was_looked_at_is_named() {
    let folder = Folder::new("no-cluster");
    folder.file("p.yaml", &config("- name: a\n  module: file:a.wasm\n"));
    let (code, text) = output(&folder, &["run", "--config", "p.yaml"]);
    assert_eq!(code, 2);
    for part in ["--kubeconfig", "KUBECONFIG is not set", ".kube/config", "polyreme apiserver"] {
        assert!(text.contains(part), "missing {part:?} in {text}");
    }
}

#[test]
fn validate_names_each_controller_that_cannot_run() {
    let folder = Folder::new("validate");
    folder.file("text.wasm", "hello");
    let text = "- name: a\n  module: file:gone.wasm\n- name: b\n  module: file:text.wasm\n";
    folder.file("p.yaml", &config(text));
    let (code, text) = output(&folder, &["validate", "--config", "p.yaml"]);
    assert_eq!(code, 2);
    assert!(text.contains("p.yaml:4:9: failed to load module a: there is no file gone.wasm"), "{text}");
    assert!(text.contains("p.yaml:6:9: failed to load module b: it is not WebAssembly"), "{text}");
    assert!(text.contains("2 of 2 controllers"), "{text}");
}

#[test]
fn a_log_filter_that_is_none_is_a_usage_error() {
    let folder = Folder::new("filter");
    let (code, text) = output(&folder, &["validate", "--config", "x", "--log-level", "a=b=c"]);
    assert_eq!(code, 2);
    assert!(text.contains("failed to read the log filter"), "{text}");
}

#[test]
fn a_folder_without_package_cannot_be_built() {
    let folder = Folder::new("no-package");
    let (code, text) = output(&folder, &["build", "."]);
    assert_eq!(code, 2);
    assert!(text.contains("there is no Cargo.toml, go.mod"), "{text}");
}

#[test]
fn a_compiler_of_another_language_is_a_usage_error() {
    let folder = Folder::new("compiler");
    folder.file("Cargo.toml", "");
    let (code, text) = output(&folder, &["build", ".", "--compiler", "tinygo"]);
    assert_eq!(code, 2);
    assert!(text.contains("failed to use compiler tinygo for a Rust project: it is always cargo"), "{text}");
}

#[test]
fn without_go_the_command_that_installs_it_is_named() {
    let folder = Folder::new("no-go");
    folder.file("go.mod", "module example.com/site\n\ngo 1.24\n");
    let output = polyreme(&folder.0, &["build", "."]).env("PATH", &folder.0).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text.contains("failed to find go: install it: `"), "{text}");
}

/// What `polyreme build` says of a Go project, with a `go` that answers as told.
fn built_by(folder: &Folder, version: &str, listed: &str) -> (i32, String) {
    folder.file("go.mod", "module example.com/site\n\ngo 1.24\n");
    folder.file("listed", listed);
    let script = format!(
        "#!/bin/sh\ncase $1 in version) echo 'go version {version} linux/amd64';; list) /bin/cat listed;; esac\n"
    );
    let go = folder.file("go", &script);
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
    let output = polyreme(&folder.0, &["build", "."]).env("PATH", &folder.0).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_old_go_is_named_with_what_is_needed() {
    let (code, text) = built_by(&Folder::new("old-go"), "go1.19.8", "");
    assert_eq!(code, 3);
    assert!(text.contains("go version go1.19.8") && text.contains("needs Go 1.24 or newer"), "{text}");
}

#[test]
fn a_go_folder_without_program_or_sdk_is_told_what_is_missing() {
    let folder = Folder::new("go-library");
    let (code, text) = built_by(&folder, "go1.26.8", r#"{"Name":"site","ImportPath":"example.com/site"}"#);
    assert_eq!(code, 2);
    assert!(text.contains("package site is no main package"), "{text}");
    let (code, text) = built_by(&folder, "go1.26.8", r#"{"Name":"main","ImportPath":"example.com/site"}"#);
    assert_eq!(code, 2);
    assert!(text.contains("does not import polyreme.dev/sdk; run `go get polyreme.dev/sdk`"), "{text}");
}

#[test]
fn the_api_server_says_when_it_is_ready_and_leaves_nothing_behind() {
    let folder = Folder::new("apiserver");
    let server = Server::start(&folder, &["apiserver", "--kubeconfig-out", "kc"]);
    let line = server.ready.clone();
    assert!(line.contains("kubectl --kubeconfig kc get --raw /version"), "{line}");
    let kubeconfig = folder.0.join("kc");
    assert_eq!(fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.terminate(), 0);
    assert!(!kubeconfig.exists(), "the kubeconfig of a server that is gone is still there");
}

#[test]
fn with_a_data_file_the_kubeconfig_stays_valid() {
    let folder = Folder::new("data");
    let arguments = ["apiserver", "--kubeconfig-out", "kc", "--data", "data"];
    let server = Server::start(&folder, &arguments);
    let first = fs::read_to_string(folder.0.join("kc")).unwrap();
    server.terminate();
    assert_eq!(fs::read_to_string(folder.0.join("kc")).unwrap(), first);
    Server::start(&folder, &arguments).terminate();
    assert_eq!(fs::read_to_string(folder.0.join("kc")).unwrap(), first);
}

#[test]
fn a_taken_port_and_an_unwritable_file_are_named() {
    let folder = Folder::new("taken");
    let server = Server::start(&folder, &["apiserver", "--kubeconfig-out", "kc"]);
    let port = server.port();
    let (code, text) = output(&folder, &["apiserver", "--kubeconfig-out", "kc2", "--port", &port]);
    assert_eq!(code, 1);
    assert!(text.contains(&port) && text.contains("leave --port out"), "{text}");
    let (code, text) = output(&folder, &["apiserver", "--kubeconfig-out", "no/such/kc"]);
    assert_eq!(code, 1);
    assert!(text.contains("failed to write the kubeconfig no/such/kc"), "{text}");
}

#[test]
fn a_cluster_that_does_not_answer_is_named_with_its_address() {
    let folder = Folder::new("refused");
    folder.file("p.yaml", &config("- name: a\n  module: file:a.wasm\n"));
    folder.file(
        "kc",
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
         clusters: [{ name: c, cluster: { server: 'http://127.0.0.1:1' } }]\n\
         contexts: [{ name: x, context: { cluster: c, user: u } }]\nusers: []\n",
    );
    let (code, text) = output(&folder, &["run", "--config", "p.yaml", "--kubeconfig", "kc"]);
    assert_eq!(code, 1);
    assert!(text.contains("nobody listens at http://127.0.0.1:1"), "{text}");
    let (code, text) =
        output(&folder, &["run", "--config", "p.yaml", "--kubeconfig", "kc", "--context", "y"]);
    assert_eq!(code, 2);
    assert!(text.contains("failed to find context \"y\" in kc; it has: x"), "{text}");
}

#[test]
fn an_identity_that_cannot_be_a_name_is_refused() {
    let folder = Folder::new("identity");
    folder.file("p.yaml", &config("- name: a\n  module: file:a.wasm\n"));
    let (code, text) = output(&folder, &["run", "--config", "p.yaml", "--identity", "Host_0"]);
    assert_eq!(code, 2);
    assert!(text.contains("failed to use the identity \"Host_0\""), "{text}");
}

#[test]
fn a_ring_that_does_not_exist_is_named_with_those_that_do() {
    let folder = Folder::new("no-ring");
    let server = Server::start(&folder, &["apiserver", "--kubeconfig-out", "kc"]);
    let (code, text) = output(&folder, &["ring", "--kubeconfig", "kc", "--ring", "x"]);
    assert_eq!(code, 2);
    assert!(text.contains("failed to find ring x in namespace default: no other was found"), "{text}");
    let (code, text) = output(&folder, &["ring", "--kubeconfig", "kc", "--object", "website"]);
    assert_eq!(code, 2);
    assert!(text.contains("write TYPE/NAMESPACE/NAME"), "{text}");
    server.terminate();
}
