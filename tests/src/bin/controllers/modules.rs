//! A hundred modules out of one: the hello example with another API group in each.
//!
//! A guest says in `describe` which kind it reconciles, and nobody can tell it another. So the group's
//! name is replaced in the bytes of the component by one of the same length. What comes out are different
//! modules: each has a digest of its own, is compiled, mapped and instantiated on its own, and has an API
//! group of its own. Their machine code is alike, which helps nobody: it is mapped from different files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use polyreme_tests::guests_dir;

/// What the example's module has of its kind: the only place where it names its group.
const GROUP_VERSION: &str = "example.polyreme.dev/v1";
/// What it greets with; as long as a revision.
const GREETING: &str = "Hello, ";

/// The API group of one controller: as long as the example's.
pub(crate) fn group(index: usize) -> String {
    format!("exam-{index:02}.polyreme.dev")
}

/// The module of each controller, in files.
pub(crate) struct Modules {
    folder: PathBuf,
    example: Vec<u8>,
}

impl Modules {
    /// Writes the modules of `count` controllers to `folder`.
    ///
    /// # Errors
    /// When the example is not built, or does not name its group once.
    pub(crate) fn write(folder: &Path, count: usize) -> Result<Self> {
        let path = guests_dir().join("hello.wasm");
        let example = fs::read(&path).with_context(|| {
            format!("failed to read {}: build it by `cargo xtask guests`", path.display())
        })?;
        let modules = Self { folder: folder.to_owned(), example };
        for index in 0..count {
            fs::write(modules.path(index), modules.of(index)?).context("failed to write a module")?;
        }
        Ok(modules)
    }

    /// The file of a controller's module.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        self.folder.join(format!("hello-{index:02}.wasm"))
    }

    /// Replaces the module of a controller at once by one that greets in another way.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub(crate) fn revise(&self, index: usize, revision: usize) -> Result<()> {
        let module = replaced(&self.of(index)?, GREETING, &format!("Rev{revision:02}, "))?;
        let next = self.folder.join("next.wasm");
        fs::write(&next, module).context("failed to write a module")?;
        fs::rename(&next, self.path(index)).context("failed to put a module in place")
    }

    fn of(&self, index: usize) -> Result<Vec<u8>> {
        replaced(&self.example, GROUP_VERSION, &format!("{}/v1", group(index)))
    }
}

/// The bytes with the one place that says `before` saying `after`.
fn replaced(bytes: &[u8], before: &str, after: &str) -> Result<Vec<u8>> {
    ensure!(before.len() == after.len(), "{after:?} is not as long as {before:?}");
    let places = bytes.windows(before.len()).enumerate().filter(|(_, window)| *window == before.as_bytes());
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    let [place] = places.as_slice() else {
        anyhow::bail!("the hello example has {before:?} {} times, not once", places.len());
    };
    let mut bytes = bytes.to_owned();
    let (_, rest) = bytes.split_at_mut(*place);
    rest.iter_mut().zip(after.bytes()).for_each(|(old, new)| *old = new);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_once_is_replaced() {
        assert_eq!(replaced(b"one two", "two", "six").unwrap(), b"one six");
        assert!(replaced(b"two two", "two", "six").is_err());
        assert!(replaced(b"one", "two", "six").is_err());
        assert!(replaced(b"one two", "two", "seven").is_err());
    }

    #[test]
    fn the_group_of_every_controller_is_as_long_as_the_examples() {
        let lengths: Vec<usize> = [0, 99].map(|index| format!("{}/v1", group(index)).len()).into();
        assert_eq!(lengths, [GROUP_VERSION.len(); 2]);
    }
}
