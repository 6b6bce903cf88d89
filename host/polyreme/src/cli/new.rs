//! `polyreme new`: a project that works.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use polyreme_project::languages::Language;
use polyreme_project::scaffold::{self, SDK_FOLDER, Scaffold, ScaffoldError};

use super::{Failure, print};

/// Make a controller project: a kind, a reconcile that works, its tests, and the SDK that fits this binary.
///
/// The folder must not be there yet, or be empty; its name becomes the controller's.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The folder to make.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The language of the controller.
    #[arg(long, short, value_enum)]
    lang: Lang,
}

/// As one types it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Lang {
    Rust,
    Go,
    Python,
    Js,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Go => Self::Go,
            Lang::Python => Self::Python,
            Lang::Js => Self::JavaScript,
        }
    }
}

impl New {
    pub(crate) fn run(self) -> Result<(), Failure> {
        // `polyreme new .` is the folder one is in.
        let folder = std::path::absolute(&self.folder).map_err(Failure::failed)?;
        let made = scaffold::create(&folder, self.lang.into()).map_err(failure)?;
        report(&self.folder, &made);
        Ok(())
    }
}

fn report(folder: &std::path::Path, made: &Scaffold) {
    print(format_args!("{} in {}", made.name, folder.display()));
    for file in &made.files {
        print(format_args!("  {file}"));
    }
    print(format_args!("  {SDK_FOLDER}/"));
    print(format_args!("next: cd {} && polyreme dev", super::quoted(folder)));
    print(format_args!("its tests: {}", made.test));
}

fn failure(error: ScaffoldError) -> Failure {
    match error {
        ScaffoldError::Name(_) | ScaffoldError::Occupied(_) => Failure::usage(error),
        ScaffoldError::Write { .. } => Failure::failed(error),
    }
}
