//! A ring as people read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::snapshot::since;
use super::{
    MemberState, MemberStatus, ModuleStatus, Move, ObjectStatus, ObjectsStatus, OwnerStatus, RingStatus,
    TableStatus, Wait,
};
use crate::ownership::names::table_lease;

/// Space between columns.
const GAP: usize = 3;

/// Most ranges of a move that are printed; `-o json` has all.
const MAX_RANGES_CHARS: usize = 40;

impl RingStatus {
    /// The ring as text of several lines, as of `now`.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let mut text = self.headline(now);
        text.push('\n');
        text.push_str(&self.members_text(now));
        if let Some(table) = &self.table
            && !table.controllers.is_empty()
        {
            text.push('\n');
            text.push_str(&self.controllers_text(table));
        }
        let modules = self.modules_text();
        if !modules.is_empty() {
            text.push('\n');
            text.push_str(&modules);
        }
        text.push('\n');
        text.push_str(&self.moves_text());
        for problem in &self.problems {
            _ = writeln!(text, "\nproblem: {problem}");
        }
        text
    }

    fn headline(&self, now: Timestamp) -> String {
        let Self { ring, namespace, table, .. } = self;
        let Some(table) = table else { return format!("Ring {ring} in namespace {namespace}: no table\n") };
        let TableStatus { generation, slots, key, changed, .. } = table;
        let changed = age(changed.as_deref(), now).map(|age| format!(" ({age} ago)")).unwrap_or_default();
        let key = key.as_str();
        format!(
            "Ring {ring} in namespace {namespace}: generation {generation}{changed}, {slots} slots by {key}\n"
        )
    }

    fn members_text(&self, now: Timestamp) -> String {
        let head = [
            "MEMBER", "STATE", "AGE", "RENEWED", "WEIGHT", "OWNS", "HOLDS", "SEEN", "ZONE", "POD", "VERSION",
        ];
        let row = |member: &MemberStatus| {
            let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
            let age = |time: &Option<String>| age(time.as_deref(), now).unwrap_or_else(|| "-".to_owned());
            vec![
                self.short(&member.name).to_owned(),
                member.state.as_str().to_owned(),
                age(&member.created),
                age(&member.renewed),
                member.weight.to_string(),
                member.owned.to_string(),
                member.held.to_string(),
                member.seen_generation.to_string(),
                dash(&member.zone),
                dash(&member.pod),
                dash(&member.version),
            ]
        };
        columns(&head, self.members.iter().map(row))
    }

    /// Controllers whose slots are with the same members share their rows.
    fn controllers_text(&self, table: &TableStatus) -> String {
        let mut same: BTreeMap<Vec<(&str, usize, usize)>, Vec<&str>> = BTreeMap::new();
        for controller in &table.controllers {
            let part = |owner: &OwnerStatus| (owner.owned, owner.held);
            let key =
                controller.owners.iter().map(|owner| (owner.member.as_str(), part(owner).0, part(owner).1));
            same.entry(key.collect()).or_default().push(&controller.name);
        }
        let mut groups: Vec<_> = same.into_iter().collect();
        groups.sort_by(|(_, a), (_, b)| a.cmp(b));
        let rows = groups.iter().flat_map(|(owners, names)| {
            let owner = |(at, (member, owned, held)): (usize, &(&str, usize, usize))| {
                let name = if at == 0 { names.join(",") } else { String::new() };
                vec![name, self.short(member).to_owned(), owned.to_string(), held.to_string()]
            };
            owners.iter().enumerate().map(owner).collect::<Vec<_>>()
        });
        columns(&["CONTROLLER", "MEMBER", "OWNS", "HOLDS"], rows)
    }

    /// What the living run: a line for each version of each controller.
    fn modules_text(&self) -> String {
        let mut same: BTreeMap<(&str, &ModuleStatus), Vec<&MemberStatus>> = BTreeMap::new();
        let living =
            |member: &&MemberStatus| !matches!(member.state, MemberState::Fenced | MemberState::Left);
        for member in self.members.iter().filter(living) {
            for (controller, module) in &member.modules {
                same.entry((controller, module)).or_default().push(member);
            }
        }
        if same.is_empty() {
            return String::new();
        }
        let row = |((controller, module), members): (&(&str, &ModuleStatus), &Vec<&MemberStatus>)| {
            let name = |member: &&MemberStatus| match member.profile.as_str() {
                "" => self.short(&member.name).to_owned(),
                profile => format!("{} ({profile})", self.short(&member.name)),
            };
            vec![
                (*controller).to_owned(),
                module.version.clone(),
                module.digest.clone(),
                if module.ready { "yes" } else { "no" }.to_owned(),
                members.iter().map(name).collect::<Vec<_>>().join(","),
            ]
        };
        columns(&["CONTROLLER", "VERSION", "DIGEST", "READY", "AT"], same.iter().map(row))
    }

    fn moves_text(&self) -> String {
        if self.moves.is_empty() {
            return match &self.table {
                Some(_) => "No move in progress: every slot is with its owner.\n".to_owned(),
                None => String::new(),
            };
        }
        let mut text = "Moves in progress:\n".to_owned();
        for moving in &self.moves {
            let Move { controllers, count, slots, to, waits_for } = moving;
            let (s, to) = (if *count == 1 { "" } else { "s" }, self.short(to));
            let names = controllers.join(",");
            _ = writeln!(text, "  {names}: {count} slot{s} ({}) to {to}", shortened(&slots.to_string()));
            for wait in waits_for {
                _ = writeln!(text, "    {}", self.wait_text(wait));
            }
        }
        text
    }

    fn wait_text(&self, wait: &Wait) -> String {
        format!("waits for {}, which {}", self.short(&wait.member), wait.message)
    }

    /// Objects and their owners, the first being the one that was asked for.
    #[must_use]
    pub fn objects_text(&self, objects: &ObjectsStatus) -> String {
        let mut text = String::new();
        for (at, object) in objects.objects.iter().enumerate() {
            if at > 0 {
                text.push_str(
                    "\nIt is controlled by the next, and goes with it where that is reconciled:\n\n",
                );
            }
            text.push_str(&self.object_text(object));
        }
        text
    }

    fn object_text(&self, object: &ObjectStatus) -> String {
        let ObjectStatus { resource, namespace, name, key, hash, slot, owners } = object;
        let slash = if namespace.is_empty() { "" } else { "/" };
        let mut text = format!("{resource} {namespace}{slash}{name}: slot {slot}\n");
        _ = writeln!(text, "  key \"{key}\", hash {hash}");
        let generation = self.table.as_ref().map_or(0, |table| table.generation);
        for owner in owners {
            let (names, member) = (owner.controllers.join(","), self.short(&owner.member));
            if owner.is_held {
                _ = writeln!(
                    text,
                    "  {names}: {member} owns that slot: generation {generation} gives it to it, and it holds it"
                );
            } else {
                _ = writeln!(
                    text,
                    "  {names}: that slot is on its way to {member} (generation {generation})"
                );
            }
            for wait in &owner.waits_for {
                _ = writeln!(text, "    {}", self.wait_text(wait));
            }
        }
        text
    }

    /// A member's name without what all of them begin with.
    fn short<'a>(&self, member: &'a str) -> &'a str {
        let rest = member.strip_prefix(&table_lease(&self.ring));
        rest.and_then(|rest| rest.strip_prefix('-')).unwrap_or(member)
    }
}

/// Rows under a head, each column as wide as its widest cell.
fn columns<R: IntoIterator<Item = Vec<String>>>(head: &[&str], rows: R) -> String {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or(0) + GAP;
            _ = write!(line, "{cell:width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn shortened(ranges: &str) -> String {
    let Some(head) = ranges.get(..MAX_RANGES_CHARS) else { return ranges.to_owned() };
    let cut = head.rfind(',').unwrap_or(head.len());
    format!("{},…", head.get(..cut).unwrap_or(head))
}

/// How long ago, as kubectl shows it.
fn age(time: Option<&str>, now: Timestamp) -> Option<String> {
    let then: Timestamp = time?.parse().ok()?;
    Some(short_duration(since(then, now)))
}

fn short_duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
