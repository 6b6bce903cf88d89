//! The live table of Websites: one line each, redrawn on a terminal, one line per change
//! elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kube::ResourceExt;
use kube::api::DynamicObject;
use polyreme_tests::Stopwatch;

/// What is shown of a Website.
struct Row {
    phase: String,
    text: String,
    line: ProgressBar,
}

/// The table.
pub(crate) struct Board {
    clock: Stopwatch,
    rows: BTreeMap<String, Row>,
    screen: MultiProgress,
    is_live: bool,
}

impl Board {
    /// An empty table with its heading.
    pub(crate) fn new(clock: Stopwatch) -> Self {
        let is_live = stdout().is_terminal();
        println!("{:>8}  {}", "TIME", columns("WEBSITE", "THEME", "PHASE"));
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        Self { clock, rows: BTreeMap::new(), screen, is_live }
    }

    /// Takes in what a watch says about a Website.
    pub(crate) fn see(&mut self, site: &DynamicObject) {
        let phase = text_at(site, "/status/phase").unwrap_or("(new)").to_owned();
        let time = format!("{:.2} s", self.clock.elapsed().as_secs_f64());
        let name = format!("{}/{}", site.namespace().unwrap_or_default(), site.name_any());
        let theme = text_at(site, "/spec/theme").unwrap_or_default();
        let text = format!("{time:>8}  {}", columns(&name, theme, &phase));
        let row = self.rows.entry(name).or_insert_with(|| new_row(&self.screen));
        if row.phase == phase {
            return;
        }
        row.phase = phase;
        row.text = text;
        if self.is_live { row.line.set_message(row.text.clone()) } else { println!("{}", row.text) }
    }

    /// Whether there are this many and all are Ready.
    pub(crate) fn all_ready(&self, count: usize) -> bool {
        self.rows.len() == count && self.rows.values().all(|row| row.phase == "Ready")
    }

    /// Leaves the table on the screen as it is.
    pub(crate) fn freeze(&self) {
        for row in self.rows.values().filter(|_| self.is_live) {
            row.line.abandon();
        }
    }
}

fn new_row(screen: &MultiProgress) -> Row {
    let style = ProgressStyle::with_template("{msg}").expect("the template is a constant that parses");
    let line = screen.add(ProgressBar::new_spinner().with_style(style));
    Row { phase: String::new(), text: String::new(), line }
}

fn columns(name: &str, theme: &str, phase: &str) -> String {
    format!("{name:<28} {theme:<12} {phase}")
}

fn text_at<'a>(site: &'a DynamicObject, path: &str) -> Option<&'a str> {
    site.data.pointer(path)?.as_str()
}
