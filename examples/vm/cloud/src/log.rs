//! What the cloud was asked and did, and whether anything was done twice. Pure.
//!
//! The log is complete and in order, since it is written under the lock that the machines are under. Two things
//! are faults: more than one machine for one key, and two machines of one name at the same time.

use std::collections::BTreeMap;

use serde::Serialize;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The machine.
    pub id: String,
    /// Its name: `namespace/name` of its VirtualMachine.
    pub name: String,
    /// The idempotency key that it was made with.
    pub key: String,
    /// What happened to it.
    pub what: What,
}

/// What can happen to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It was made.
    Created,
    /// It was asked for again by its key.
    Repeated,
    /// It got another size.
    Resized,
    /// It was removed.
    Deleted,
}

/// What a log shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Machines that were made.
    pub created: usize,
    /// Creations that were asked for again, and made nothing.
    pub repeated: usize,
    /// Machines that were removed.
    pub deleted: usize,
    /// Machines that were made although their key had one.
    pub second_machines: usize,
    /// Machines that were made while another had the name.
    pub namesakes: usize,
}

impl Verdict {
    /// Reads a log from its beginning.
    ///
    /// # Example
    /// ```
    /// use vm_cloud::log::{Entry, Verdict, What};
    /// let made = |id: &str| Entry {
    ///     id: id.into(), name: "default/web".into(), key: "uid".into(), what: What::Created,
    /// };
    /// assert_eq!(Verdict::of(&[made("m-1")]).duplicates(), 0);
    /// assert_eq!(Verdict::of(&[made("m-1"), made("m-2")]).duplicates(), 1);
    /// ```
    #[must_use]
    pub fn of(log: &[Entry]) -> Self {
        let mut verdict = Self::default();
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for Entry { name, key, what, .. } in log {
            match what {
                What::Created => {
                    verdict.created += 1;
                    let (of_key, of_name) = (keys.entry(key).or_default(), names.entry(name).or_default());
                    verdict.second_machines += usize::from(*of_key > 0);
                    verdict.namesakes += usize::from(*of_name > 0);
                    *of_key += 1;
                    *of_name += 1;
                }
                What::Deleted => {
                    verdict.deleted += 1;
                    names.entry(name).and_modify(|count| *count = count.saturating_sub(1));
                }
                What::Repeated => verdict.repeated += 1,
                What::Resized => (),
            }
        }
        verdict
    }

    /// Machines that should not have been made. One can be a fault in both ways, and counts once.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.second_machines.max(self.namesakes)
    }

    /// Machines that are there now.
    #[must_use]
    pub fn left(&self) -> usize {
        self.created - self.deleted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, name: &str, key: &str, what: What) -> Entry {
        Entry { id: id.into(), name: name.into(), key: key.into(), what }
    }

    #[test]
    fn a_name_may_be_used_again_once_its_machine_is_gone() {
        let log = [
            entry("1", "a", "k1", What::Created),
            entry("1", "a", "k1", What::Repeated),
            entry("1", "a", "k1", What::Deleted),
            entry("2", "a", "k2", What::Created),
        ];
        let verdict = Verdict::of(&log);
        assert_eq!((verdict.duplicates(), verdict.created, verdict.left()), (0, 2, 1));
    }

    #[test]
    fn two_machines_of_one_name_at_the_same_time_are_a_fault() {
        let log = [entry("1", "a", "k1", What::Created), entry("2", "a", "k2", What::Created)];
        assert_eq!((Verdict::of(&log).namesakes, Verdict::of(&log).second_machines), (1, 0));
    }

    #[test]
    fn a_second_machine_of_a_key_is_a_fault_although_the_first_is_gone() {
        let log = [
            entry("1", "a", "k", What::Created),
            entry("1", "a", "k", What::Deleted),
            entry("2", "a", "k", What::Created),
        ];
        assert_eq!(Verdict::of(&log).duplicates(), 1);
    }
}
