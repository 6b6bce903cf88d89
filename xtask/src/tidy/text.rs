//! What a file may not contain.

use super::{Fault, Source};

/// Bytes that no text file has; git's own heuristic.
const BINARY_MARK: u8 = 0;
/// A text file larger than this is generated or does not belong here (Cargo.lock and go.sum
/// apart, which are below it).
const FILE_BYTES: usize = 1 << 20;
const IMAGES: [&str; 3] = [".png", ".svg", ".ico"];

/// A pattern that stops the check, where, and the remedy.
struct Ban {
    pattern: &'static str,
    applies: fn(&Source) -> bool,
    message: &'static str,
}

/// Patterns are written in two pieces so that this file does not break its own rules.
const BANS: &[Ban] = &[
    Ban {
        pattern: concat!("#[", "ignore"),
        applies: Source::is_rust,
        message: "an ignored test is no test: make it pass, or delete it",
    },
    Ban {
        pattern: concat!("time::", "sleep("),
        applies: has_tests_only,
        message: "tests wait for a state, never for a duration",
    },
    Ban {
        pattern: concat!("thread::", "sleep("),
        applies: has_tests_only,
        message: "tests wait for a state, never for a duration",
    },
    Ban { pattern: concat!("/home", "/"), applies: is_text, message: "a path of one machine" },
    Ban { pattern: concat!("/root", "/"), applies: is_text, message: "a path of one machine" },
    Ban { pattern: concat!("/work", "/"), applies: is_text, message: "a path of one machine" },
    Ban { pattern: concat!("/Users", "/"), applies: is_text, message: "a path of one machine" },
];

pub(crate) fn check(sources: &[Source]) -> Vec<Fault> {
    sources.iter().flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(binary(source));
    faults.extend(without_story(source));
    faults.extend(BANS.iter().filter(|ban| (ban.applies)(source)).flat_map(|ban| find(source, ban)));
    faults
}

fn is_text(_: &Source) -> bool {
    true
}

fn has_tests_only(source: &Source) -> bool {
    source.is_rust() && source.is_test()
}

fn binary(source: &Source) -> Option<Fault> {
    if IMAGES.iter().any(|suffix| source.path.ends_with(suffix)) {
        return None;
    }
    if source.bytes.contains(&BINARY_MARK) {
        return Some(source.fault(0, "a binary: build it, do not commit it"));
    }
    (source.bytes.len() > FILE_BYTES).then(|| source.fault(0, "larger than 1 MiB"))
}

fn without_story(source: &Source) -> Option<Fault> {
    let opens = source.text().lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let missing = source.is_rust() && !opens.is_some_and(|line| line.starts_with("//!"));
    missing.then(|| source.fault(1, "no story: open the file with `//!`: what it is, why, what bounds it"))
}

fn find<'a>(source: &'a Source, ban: &'a Ban) -> impl Iterator<Item = Fault> + 'a {
    source
        .text()
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(ban.pattern))
        .map(|(index, _)| source.fault(index + 1, format!("`{}`: {}", ban.pattern, ban.message)))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        check(&[source(path, text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_a_story_is_a_fault() {
        assert_eq!(faults_of("src/a.rs", "//! A story.\n"), [""; 0]);
        assert!(faults_of("src/a.rs", "fn main() {}\n").concat().starts_with("src/a.rs:1: no story"));
    }

    #[test]
    fn a_sleep_is_a_fault_in_a_test_only() {
        let text = format!("//! A story.\n{}1);\n", BANS[2].pattern);
        assert_eq!(faults_of("src/a.rs", &text), [""; 0]);
        assert!(faults_of("tests/a.rs", &text).concat().starts_with("tests/a.rs:2: "));
    }

    #[test]
    fn an_ignored_test_and_a_machine_path_are_faults() {
        for ban in [&BANS[0], &BANS[3]] {
            let text = format!("//! A story.\n{}\n", ban.pattern);
            assert_eq!(faults_of("src/a.rs", &text).len(), 1);
        }
    }

    #[test]
    fn a_binary_is_a_fault_unless_it_is_an_image() {
        assert_eq!(faults_of("docs/a.png", "\0"), [""; 0]);
        assert_eq!(faults_of("docs/a.wasm", "\0"), ["docs/a.wasm: a binary: build it, do not commit it"]);
    }
}
