//! Slots: the key space cut into a fixed number of contiguous hash ranges.
//!
//! `slot(key)` is the top bits of FNV-1a-64 of the key's bytes, so a set of slots is a set of hash
//! ranges, which an API server can filter by itself when the key is a namespace or a uid (KEP-5866
//! hashes those with the same function). FNV carries a difference in the last bytes of a key hardly up
//! to the top bits, so a `name` key begins with what differs most ([`KeyBy::text`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Offset basis and prime of FNV-1a-64 (draft-eastlake-fnv).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, 64 bits.
///
/// # Example
/// ```
/// use polyreme_ownership::slots::fnv1a;
/// assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
/// assert_eq!(fnv1a(b"abc"), 0xe71f_a219_0541_574b);
/// ```
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// How many slots a ring has: a power of two from 64 to 16384, fixed for the ring's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotCount(u16);

/// A number of slots that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slots must be a power of two from {min} to {max}, not {0}", min = SlotCount::MIN, max = SlotCount::MAX)]
pub struct SlotCountError(pub u64);

impl SlotCount {
    /// Fewest slots.
    pub const MIN: u16 = 64;
    /// Most slots.
    pub const MAX: u16 = 16_384;
    /// 1024: with 50 members each still has 20, so one slot more or less is 5 %.
    pub const DEFAULT: Self = Self(1_024);

    /// Checks a number from outside.
    ///
    /// # Errors
    /// When it is no power of two or out of range.
    pub fn new(count: u64) -> Result<Self, SlotCountError> {
        let narrow = u16::try_from(count).map_err(|_| SlotCountError(count))?;
        let allowed = narrow.is_power_of_two() && (Self::MIN..=Self::MAX).contains(&narrow);
        allowed.then_some(Self(narrow)).ok_or(SlotCountError(count))
    }

    /// As few slots as a model checker can bear: one or more, any number.
    #[must_use]
    pub const fn for_model(count: u16) -> Self {
        Self(count)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The slot of a hash.
    #[must_use]
    pub fn slot_of(self, hash: u64) -> SlotId {
        let wide = (u128::from(hash) * u128::from(self.0)) >> 64;
        // The product is below 2^64 times the count, so the quotient fits.
        SlotId(u16::try_from(wide).unwrap_or(0))
    }

    /// The slot of a key.
    #[must_use]
    pub fn slot(self, key: &str) -> SlotId {
        self.slot_of(fnv1a(key.as_bytes()))
    }

    /// All slots.
    pub fn all(self) -> impl Iterator<Item = SlotId> {
        (0..self.0).map(SlotId)
    }
}

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u16);

impl SlotId {
    /// Its place in a vector of all slots.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What decides an object's slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyBy {
    /// The name of the root object: an object that is deleted and created again stays where it was.
    #[default]
    Name,
    /// The namespace of the root object: everything of a tenant in one place; API servers can filter.
    Namespace,
    /// The uid of the root object: API servers can filter, but a re-created object may move.
    Uid,
}

/// The object at the top of the controller owner references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root<'a> {
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Plural resource name.
    pub resource: &'a str,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.uid`
    pub uid: &'a str,
}

impl KeyBy {
    /// The hash of a root object.
    ///
    /// # Example
    /// ```
    /// use polyreme_ownership::slots::{KeyBy, Root, fnv1a};
    /// let root = Root { group: "apps", resource: "deployments", namespace: "shop", name: "web", uid: "u1" };
    /// assert_eq!(KeyBy::Name.hash(&root), fnv1a(b"web/shop/deployments/apps"));
    /// assert_eq!(KeyBy::Uid.hash(&root), fnv1a(b"u1"));
    /// ```
    #[must_use]
    pub fn hash(self, root: &Root<'_>) -> u64 {
        fnv1a(self.text(root).as_bytes())
    }

    /// The text that is hashed.
    #[must_use]
    pub fn text(self, root: &Root<'_>) -> String {
        match self {
            Self::Name => format!("{}/{}/{}/{}", root.name, root.namespace, root.resource, root.group),
            Self::Namespace => root.namespace.to_owned(),
            Self::Uid => root.uid.to_owned(),
        }
    }

    /// The word in the configuration file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Namespace => "namespace",
            Self::Uid => "uid",
        }
    }
}

/// A set of slots: a bitmap in memory, ranges like `0-340,512` in text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    /// Adds a slot; whether it is new.
    pub fn insert(&mut self, slot: SlotId) -> bool {
        let (word, bit) = Self::place(slot);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let Some(word) = self.words.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Removes a slot.
    pub fn remove(&mut self, slot: SlotId) {
        let (word, bit) = Self::place(slot);
        if let Some(word) = self.words.get_mut(word) {
            *word &= !bit;
        }
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn contains(&self, slot: SlotId) -> bool {
        let (word, bit) = Self::place(slot);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = SlotId> {
        (0_u16..).zip(&self.words).flat_map(|(at, word)| {
            (0_u16..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| SlotId(at * 64 + bit))
        })
    }

    fn place(slot: SlotId) -> (usize, u64) {
        (slot.index() / 64, 1 << (slot.0 % 64))
    }
}

impl FromIterator<SlotId> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotId>>(slots: I) -> Self {
        let mut set = Self::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut range: Option<(u16, u16)> = None;
        let mut comma = "";
        let mut write = |f: &mut fmt::Formatter<'_>, (from, to): (u16, u16)| {
            let written =
                if from == to { write!(f, "{comma}{from}") } else { write!(f, "{comma}{from}-{to}") };
            comma = ",";
            written
        };
        for SlotId(slot) in self.iter() {
            match range {
                Some((from, to)) if to + 1 == slot => range = Some((from, slot)),
                Some(done) => {
                    write(f, done)?;
                    range = Some((slot, slot));
                }
                None => range = Some((slot, slot)),
            }
        }
        range.map_or(Ok(()), |last| write(f, last))
    }
}

/// A text that is no set of slots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read slots {0:?}: ranges like 0-340,512 are expected, slots below {max}", max = SlotCount::MAX)]
pub struct SlotSetError(String);

impl FromStr for SlotSet {
    type Err = SlotSetError;

    fn from_str(text: &str) -> Result<Self, SlotSetError> {
        let bad = || SlotSetError(text.chars().take(64).collect());
        let number =
            |text: &str| text.parse::<u16>().ok().filter(|slot| *slot < SlotCount::MAX).ok_or_else(bad);
        let mut set = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            for slot in number(from)?..=number(to)? {
                set.insert(SlotId(slot));
            }
        }
        Ok(set)
    }
}

impl Serialize for SlotSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slot_is_the_top_bits_of_the_hash() {
        let slots = SlotCount::DEFAULT;
        assert_eq!(slots.slot_of(0), SlotId(0));
        assert_eq!(slots.slot_of(u64::MAX), SlotId(1_023));
        assert_eq!(slots.slot_of(0xe71f_a219_0541_574b), SlotId(0xe71f >> 6));
    }

    #[test]
    fn only_powers_of_two_in_range_are_slot_counts() {
        assert_eq!(SlotCount::new(64).unwrap().get(), 64);
        for bad in [0, 1, 32, 1_000, 32_768, 65_536, u64::MAX] {
            assert!(SlotCount::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbered_names_spread_evenly_over_the_slots() {
        let slots = SlotCount::DEFAULT;
        let mut load = vec![0_u32; usize::from(slots.get())];
        for n in 0..9_000 {
            let name = format!("site-{n}");
            let root = Root {
                group: "webhosting.polyreme.dev",
                resource: "websites",
                namespace: "project-0",
                name: &name,
                uid: "",
            };
            load[slots.slot_of(KeyBy::Name.hash(&root)).index()] += 1;
        }
        let chi_squared: f64 = load.iter().map(|n| (f64::from(*n) - 8.79).powi(2) / 8.79).sum();
        // 1023 degrees of freedom: mean 1023, standard deviation 45; names in a row never spread less.
        assert!(chi_squared < 1_250.0, "{chi_squared}");
    }

    #[test]
    fn text_that_is_no_set_is_refused() {
        for bad in ["a", "1-", "-1", "1-2-3", "16384", "0-99999", "1;2"] {
            assert!(bad.parse::<SlotSet>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn sets_survive_their_text(slots in proptest::collection::btree_set(0_u16..16_384, 0..200)) {
            let set: SlotSet = slots.iter().copied().map(SlotId).collect();
            prop_assert_eq!(set.len(), slots.len());
            prop_assert_eq!(set.iter().map(|slot| slot.0).collect::<Vec<_>>(), slots.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(set.to_string().parse::<SlotSet>().unwrap(), set);
        }

        #[test]
        fn what_is_removed_is_gone(slots in proptest::collection::vec(0_u16..300, 1..50)) {
            let mut set: SlotSet = slots.iter().copied().map(SlotId).collect();
            slots.iter().for_each(|slot| set.remove(SlotId(*slot)));
            prop_assert_eq!(set, SlotSet::default());
        }
    }
}
