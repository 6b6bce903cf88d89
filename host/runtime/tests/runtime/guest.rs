//! Guests written in WebAssembly text, made into components for the tests.
//!
//! A [`Guest`] is a core module that follows the canonical ABI by hand: `describe`
//! returns the address of a manifest laid out as data, `reconcile` runs the given
//! instructions and returns the address of a result. What a test does not say is what a
//! well-behaved controller does.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The version of the contract.
const VERSION: &str = "0.1.0";
/// Address of a zeroed result: `ok(done)`.
pub(crate) const DONE: u32 = 64;
/// Address where the manifest lies.
const MANIFEST: u32 = 1024;
/// Addresses of its texts.
const TEXT: u32 = 2048;
/// Where `cabi_realloc` begins to give out memory.
const HEAP: u32 = 65_536;

/// Gives out what was never given out, and takes nothing back.
const REALLOC: &str = "(local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at)";

/// A guest in the making.
pub(crate) struct Guest {
    imports: String,
    items: String,
    realloc: String,
    describe: String,
    reconcile: String,
    pages: u32,
    contract: String,
    version: &'static str,
    world: &'static str,
    packages: Vec<&'static str>,
}

impl Guest {
    /// A controller named `probe` for ConfigMaps whose reconcile is done at once.
    pub(crate) fn new() -> Self {
        Self {
            imports: String::new(),
            items: String::new(),
            realloc: REALLOC.to_owned(),
            describe: format!("i32.const {MANIFEST}"),
            reconcile: format!("i32.const {DONE}"),
            pages: 2,
            contract: include_str!("../../../../wit/controller.wit").to_owned(),
            version: VERSION,
            world: "",
            packages: Vec::new(),
        }
    }

    /// Imports a core function of an interface of the contract; it is `$function`.
    pub(crate) fn import(self, interface: &str, function: &str, signature: &str) -> Self {
        let interface = format!("polyreme:controller/{interface}@{}", self.version);
        self.import_from(&interface, function, signature)
    }

    /// Imports a core function of any interface.
    pub(crate) fn import_from(mut self, interface: &str, function: &str, signature: &str) -> Self {
        self.imports += &format!("(import \"{interface}\" \"{function}\" (func ${function} {signature}))\n");
        self
    }

    /// Adds functions, globals or data to the core module.
    pub(crate) fn item(mut self, item: &str) -> Self {
        self.items += item;
        self
    }

    /// Instructions of `describe`, which leave the address of a manifest.
    pub(crate) fn describe(mut self, body: &str) -> Self {
        body.clone_into(&mut self.describe);
        self
    }

    /// Instructions of `reconcile`, which leave the address of a result.
    pub(crate) fn reconcile(mut self, body: &str) -> Self {
        body.clone_into(&mut self.reconcile);
        self
    }

    /// Instructions of `cabi_realloc`, which leave an address.
    pub(crate) fn realloc(mut self, body: &str) -> Self {
        body.clone_into(&mut self.realloc);
        self
    }

    /// Pages of 64 KiB that the memory begins with.
    pub(crate) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Builds against a contract in which `from` is replaced by `to`.
    pub(crate) fn contract(mut self, from: &str, to: &str) -> Self {
        assert!(self.contract.contains(from), "the contract has no {from:?}");
        self.contract = self.contract.replace(from, to);
        self
    }

    /// Builds against another version of the contract.
    pub(crate) fn version(mut self, version: &'static str) -> Self {
        self = self.contract(VERSION, version);
        self.version = version;
        self
    }

    /// Imports this beside the contract, from the package whose WIT is given.
    pub(crate) fn world(mut self, items: &'static str, package: &'static str) -> Self {
        self.world = items;
        self.packages.push(package);
        self
    }

    /// The core module, with the component type embedded.
    pub(crate) fn core(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let packages = self.packages.iter().copied();
        for wit in packages.chain([self.contract.as_str()]) {
            resolve.push_str("test.wit", wit).expect("the WIT parses");
        }
        let world = format!(
            "package polyreme:test; world guest {{ include polyreme:controller/controller@{}; {} }}",
            self.version, self.world
        );
        embed(&self.text(), resolve, &world)
    }

    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        encode(&self.core())
    }

    fn text(&self) -> String {
        let prefix = format!("polyreme:controller/reconciler@{}#", self.version);
        format!(
            r#"(module
                {imports}
                (memory (export "memory") {pages})
                (global $heap (mut i32) (i32.const {HEAP}))
                {manifest}
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    {realloc})
                {items}
                (func (export "{prefix}describe") (result i32) {describe})
                (func (export "{prefix}reconcile") (param i32) (result i32) {reconcile}))"#,
            imports = self.imports,
            pages = self.pages,
            manifest = manifest(),
            items = self.items,
            realloc = self.realloc,
            describe = self.describe,
            reconcile = self.reconcile,
        )
    }
}

/// A component of a core module and the world `guest` of a WIT package.
pub(crate) fn component(text: &str, world: &str) -> Vec<u8> {
    encode(&embed(text, Resolve::default(), world))
}

fn embed(text: &str, mut resolve: Resolve, world: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(text).expect("the guest's text is valid");
    let package = resolve.push_str("world.wit", world).expect("the guest's world parses");
    let world = resolve.select_world(&[package], Some("guest")).expect("there is a world named guest");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8, false)
        .expect("the component type can be embedded");
    wasm
}

fn encode(core: &[u8]) -> Vec<u8> {
    ComponentEncoder::default()
        .validate(true)
        .module(core)
        .expect("the core module carries its component type")
        .encode()
        .expect("the core module fits its world")
}

/// Data segments of a manifest: `probe`, version `1`, primary `v1` `ConfigMap`, and
/// empty lists.
fn manifest() -> String {
    let texts = "probe1v1ConfigMap";
    let mut record = Vec::new();
    for (offset, len) in [(0, 5), (5, 1), (6, 2), (8, 9)] {
        record.extend(u32::to_le_bytes(TEXT + offset));
        record.extend(u32::to_le_bytes(len));
    }
    let record: String = record.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {TEXT}) \"{texts}\") (data (i32.const {MANIFEST}) \"{record}\")")
}

/// Core signature of `kubernetes.get`: four texts, an option, the source, and where the
/// result goes.
pub(crate) const GET: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";

/// Gets ConfigMap `probe` from the cache; the result is at 512, its payload at 520.
pub(crate) fn get() -> String {
    format!(
        "(call $get (i32.const {version}) (i32.const 2) (i32.const {kind}) (i32.const 9)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {TEXT}) (i32.const 5)
            (i32.const 0) (i32.const 512))",
        version = TEXT + 6,
        kind = TEXT + 8,
    )
}

/// Core signature of `http.send`: method, URL, headers, two options, and where the result goes.
pub(crate) const SEND: &str = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)";

/// Sends `len` bytes from the start of the manifest's texts; the result is at 512, its payload at 516.
pub(crate) fn send(len: u32) -> String {
    format!(
        "(call $send (i32.const {TEXT}) (i32.const 5) (i32.const {TEXT}) (i32.const 5)
            (i32.const 0) (i32.const 0) (i32.const 1) (i32.const {TEXT}) (i32.const {len})
            (i32.const 0) (i64.const 0) (i32.const 512))"
    )
}

/// Core signature of `log.log`.
pub(crate) const LOG: &str = "(param i32 i32 i32 i32 i32)";

/// Logs `len` bytes from the start of the manifest's texts at a level.
pub(crate) fn log(level: u32, len: u32) -> String {
    format!(
        "(call $log (i32.const {level}) (i32.const {TEXT}) (i32.const {len})
            (i32.const 0) (i32.const 0))"
    )
}
