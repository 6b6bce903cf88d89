//! `polyreme schema`: the configuration file's JSON Schema.

use clap::Args;
use polyreme::config::JSON_SCHEMA;

use super::print;

/// Print the JSON Schema of the configuration file, for editors.
///
/// Save it and begin the file with `# yaml-language-server: $schema=PATH`.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    #[allow(clippy::unused_self, reason = "every command is run so")]
    pub(crate) fn run(self) {
        print(JSON_SCHEMA.trim_end());
    }
}
