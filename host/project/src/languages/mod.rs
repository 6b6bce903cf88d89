//! The languages that a controller can be written in, and their compilers: one module for each.
//!
//! A language's `build` runs the compiler and returns a [`Core`]; all after that is the same for every
//! language. To add one: a variant of [`Language`] with its file, its [`Compiler`]s, and a module here.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub mod go;
pub mod js;
mod producers;
pub mod provision;
pub mod python;
pub mod rust;

/// What a controller is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// Go, by go or tinygo.
    Go,
    /// Python, by componentize-py.
    Python,
    /// JavaScript.
    #[serde(rename = "js")]
    JavaScript,
}

/// What compiles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compiler {
    /// Rust.
    Cargo,
    /// Go: the standard one.
    Go,
    /// Go: smaller modules of a smaller language.
    #[serde(rename = "tinygo")]
    TinyGo,
    /// Python.
    ComponentizePy,
    /// JavaScript: QuickJS.
    ComponentizeQjs,
}

/// What a compiler made, and what that is called.
#[derive(Clone, Debug)]
pub struct Core {
    /// The project's name.
    pub name: String,
    /// A core module, or a component already.
    pub wasm: Vec<u8>,
    /// Where the component goes unless the user says otherwise.
    pub output: PathBuf,
}

impl Language {
    /// Every language, in the order in which they are named.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Go, Self::Python, Self::JavaScript];

    /// What the command line and the project's file call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Python => "python",
            Self::JavaScript => "js",
        }
    }

    /// The file that its own tools look for.
    #[must_use]
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Go => "go.mod",
            Self::Python => "pyproject.toml",
            Self::JavaScript => "package.json",
        }
    }

    /// Its compilers, the default one first.
    #[must_use]
    pub fn compilers(self) -> &'static [Compiler] {
        match self {
            Self::Rust => &[Compiler::Cargo],
            Self::Go => &[Compiler::Go, Compiler::TinyGo],
            Self::Python => &[Compiler::ComponentizePy],
            Self::JavaScript => &[Compiler::ComponentizeQjs],
        }
    }

    /// The compiler that is used when nobody says which.
    #[must_use]
    pub fn default_compiler(self) -> Compiler {
        match self {
            Self::Rust => Compiler::Cargo,
            Self::Go => Compiler::Go,
            Self::Python => Compiler::ComponentizePy,
            Self::JavaScript => Compiler::ComponentizeQjs,
        }
    }

    /// How a controller in it comes to export what a controller exports.
    pub(crate) fn export_remedy(self) -> &'static str {
        match self {
            Self::Rust => "implement `Controller` and add the line `polyreme_sdk::controller!(…)`",
            Self::Go => {
                "import `polyreme.dev/sdk` in the main package and call `sdk.Register(…)` in its `init`"
            }
            Self::Python => "make one `polyreme.Controller` in the main module",
            Self::JavaScript => "`export default defineController({…})` in the main module",
        }
    }

    /// How a controller in it does without WASI.
    pub(crate) fn wasi_remedy(self) -> &'static str {
        match self {
            Self::Rust => {
                "build without WASI: for wasm32-unknown-unknown, and without crates that need an operating system"
            }
            Self::Go => "build a core module with `polyreme build`, not a component with other tools",
            Self::Python | Self::JavaScript => "build with `polyreme build`, which leaves WASI out",
        }
    }

    pub(crate) fn compilers_text(self) -> String {
        let names: Vec<_> = self.compilers().iter().map(ToString::to_string).collect();
        match names.as_slice() {
            [one] => format!("it is always {one}; leave the compiler out"),
            several => format!("it is {}", several.join(" or ")),
        }
    }

    /// `Cargo.toml, go.mod, pyproject.toml or package.json`.
    pub(crate) fn manifests() -> String {
        let names = Self::ALL.map(Self::manifest);
        let [most @ .., last] = names.as_slice() else { return String::new() };
        format!("{} or {last}", most.join(", "))
    }
}

/// As people write it.
impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Go => "Go",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        })
    }
}

/// The program's name, which is also what the command line and the project's file call it.
impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cargo => "cargo",
            Self::Go => "go",
            Self::TinyGo => "tinygo",
            Self::ComponentizePy => "componentize-py",
            Self::ComponentizeQjs => "componentize-qjs",
        })
    }
}

/// What is no compiler.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no compiler {0}; known are cargo, go, tinygo, componentize-py and componentize-qjs")]
pub struct UnknownCompiler(String);

impl std::str::FromStr for Compiler {
    type Err = UnknownCompiler;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Language::ALL.into_iter().flat_map(|language| language.compilers());
        let found = known.copied().find(|compiler| compiler.to_string() == name);
        found.ok_or_else(|| UnknownCompiler(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compiler_has_one_name_everywhere() {
        for compiler in Language::ALL.into_iter().flat_map(|language| language.compilers()) {
            let name = compiler.to_string();
            assert_eq!(name.parse::<Compiler>().unwrap(), *compiler);
            assert_eq!(serde_json::to_value(compiler).unwrap(), name);
            assert!("gcc".parse::<Compiler>().unwrap_err().to_string().contains(&name));
        }
    }

    #[test]
    fn every_language_has_one_name_everywhere_and_its_default_is_its_first() {
        for language in Language::ALL {
            assert_eq!(serde_json::to_value(language).unwrap(), language.name());
            assert_eq!(language.compilers().first(), Some(&language.default_compiler()));
        }
    }
}
