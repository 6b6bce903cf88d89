//! Sizes of files and functions.
//!
//! A function counts from `fn` to its closing brace, both included, with comments and
//! without attributes or doc comments. A flat `match` (arms of a few lines each) may be
//! longer than other functions: cutting a table in two does not make it clearer.

use std::fmt;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Stmt};

use super::{Fault, Source};

/// A signal to look again at 500, an end at 800.
const FILE_LINES: usize = 800;
const FILE_LINES_SIGNAL: usize = 500;
/// One screen.
const FUNCTION_LINES: usize = 70;
const FUNCTION_LINES_SIGNAL: usize = 30;
const FUNCTION_LINES_MEDIAN: usize = 10;
/// An arm longer than this is code of its own.
const FLAT_ARM_LINES: usize = 4;

/// Figures of the product's own code (tests apart).
#[derive(Default)]
pub(crate) struct Report {
    files: usize,
    lines: usize,
    functions: Vec<usize>,
    long_files: Vec<String>,
}

impl Report {
    fn median(&self) -> usize {
        let mut sorted = self.functions.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn under_signal(&self) -> usize {
        let short = self.functions.iter().filter(|lines| **lines < FUNCTION_LINES_SIGNAL).count();
        (short * 100).checked_div(self.functions.len()).unwrap_or(100)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (functions, median, short) = (self.functions.len(), self.median(), self.under_signal());
        write!(f, "tidy: {} files, {} lines; {functions} functions, ", self.files, self.lines)?;
        write!(f, "median {median} lines, {short} % under {FUNCTION_LINES_SIGNAL}")?;
        self.long_files.iter().try_for_each(|file| write!(f, "\n  look again: {file}"))
    }
}

/// Measures every Rust file.
pub(crate) fn check(sources: &[Source]) -> (Report, Vec<Fault>) {
    let mut report = Report::default();
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        measure(source, &mut report, &mut faults);
    }
    if report.median() > FUNCTION_LINES_MEDIAN {
        let message =
            format!("the median function has {} lines, more than {FUNCTION_LINES_MEDIAN}", report.median());
        faults.push(Fault { path: "workspace".into(), line: 0, message });
    }
    (report, faults)
}

fn measure(source: &Source, report: &mut Report, faults: &mut Vec<Fault>) {
    let lines = source.text().lines().count();
    if lines > FILE_LINES {
        faults.push(source.fault(0, format!("{lines} lines, more than {FILE_LINES}: split it")));
    }
    match syn::parse_file(source.text()) {
        Ok(file) => measure_functions(source, &file, report, faults),
        Err(error) => {
            faults.push(source.fault(error.span().start().line, format!("failed to parse: {error}")))
        }
    }
    if !source.is_test() {
        report.files += 1;
        report.lines += lines;
    }
    if (FILE_LINES_SIGNAL..=FILE_LINES).contains(&lines) {
        report.long_files.push(format!("{} ({lines} lines)", source.path));
    }
}

fn measure_functions(source: &Source, file: &syn::File, report: &mut Report, faults: &mut Vec<Fault>) {
    let mut functions = Functions { found: Vec::new(), in_test: source.is_test() };
    functions.visit_file(file);
    for function in functions.found {
        if function.lines > FUNCTION_LINES && !function.is_flat_match {
            let message =
                format!("fn {} has {} lines, more than {FUNCTION_LINES}", function.name, function.lines);
            faults.push(source.fault(function.line, message));
        }
        if !function.is_test {
            report.functions.push(function.lines);
        }
    }
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
    is_flat_match: bool,
    is_test: bool,
}

struct Functions {
    found: Vec<Function>,
    in_test: bool,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &Block) {
        let line = signature.span().start().line;
        self.found.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: block.span().end().line + 1 - line,
            is_flat_match: is_flat_match(block),
            is_test: self.in_test,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let outside = self.in_test;
        self.in_test |= module.attrs.iter().any(is_cfg_test);
        visit::visit_item_mod(self, module);
        self.in_test = outside;
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    let is_test = |list: &syn::MetaList| list.tokens.to_string() == "test";
    attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(is_test)
}

/// Whether a body is, but for a few lines, one `match` whose arms are all short.
fn is_flat_match(block: &Block) -> bool {
    let Some(Stmt::Expr(Expr::Match(table), _)) = block.stmts.last() else { return false };
    let around = height(block.span()) - height(table.span());
    around < FUNCTION_LINES_MEDIAN && table.arms.iter().all(|arm| height(arm.body.span()) <= FLAT_ARM_LINES)
}

fn height(span: Span) -> usize {
    span.end().line + 1 - span.start().line
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        check(&[source(path, text)]).1.iter().map(ToString::to_string).collect()
    }

    fn function(statements: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(statements))
    }

    #[test]
    fn a_function_of_seventy_lines_passes_and_one_more_does_not() {
        let alone = |statements| faults_of("src/a.rs", &(function(statements) + &"fn f() {}\n".repeat(3)));
        assert_eq!(alone(68), [""; 0]);
        assert_eq!(alone(69), ["src/a.rs:1: fn long has 71 lines, more than 70"]);
    }

    #[test]
    fn a_flat_match_may_be_long() {
        let arms = "        1 => one(),\n".repeat(100);
        let text = format!("fn f(n: u8) {{\n    match n {{\n{arms}    }}\n}}\n{}", "fn f() {}\n".repeat(3));
        assert_eq!(faults_of("src/a.rs", &text), [""; 0]);
    }

    #[test]
    fn a_long_file_is_a_fault() {
        let faults = faults_of("src/a.rs", &"// line\n".repeat(801));
        assert_eq!(faults, ["src/a.rs: 801 lines, more than 800: split it"]);
    }

    #[test]
    fn the_median_leaves_tests_out() {
        let text = format!("fn short() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", function(40));
        let (report, faults) = check(&[source("src/a.rs", &text)]);
        assert_eq!((report.functions.as_slice(), faults.len()), (&[1_usize][..], 0));
    }
}
