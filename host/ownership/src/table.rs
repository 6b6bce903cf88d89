//! The table of a ring: who owns each slot, in the annotation of one Lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{Lane, MemberId};
use crate::record::{DecodeError, check_version};
use crate::slots::{KeyBy, SlotCount, SlotId, SlotSet};

/// Version of the annotation that this code writes, and the newest it reads.
pub const TABLE_VERSION: u32 = 1;

/// One slot of one controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Who owns it, once the others are proven gone.
    pub owner: MemberId,
    /// Previous owners that were not proven gone when the table was written.
    pub preds: BTreeSet<MemberId>,
}

/// All slots of one controller, by number.
pub type Column = Vec<Entry>;

/// The table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// Grows by one with every change.
    pub generation: u64,
    /// How many slots there are.
    pub slots: SlotCount,
    /// What decides an object's slot.
    pub key: KeyBy,
    /// A column for each controller that some member has loaded. Equal columns are shared.
    pub lanes: BTreeMap<Lane, Arc<Column>>,
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    version: u32,
    generation: u64,
    slots: u64,
    key: KeyBy,
    lanes: Vec<EncodedLanes>,
}

/// Controllers with the same owners share an entry.
#[derive(Serialize, Deserialize)]
struct EncodedLanes {
    controllers: Vec<Lane>,
    owners: BTreeMap<MemberId, SlotSet>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    preds: BTreeMap<MemberId, SlotSet>,
}

impl Table {
    /// A table in which nobody owns anything yet.
    #[must_use]
    pub fn empty(slots: SlotCount, key: KeyBy) -> Self {
        Self { generation: 0, slots, key, lanes: BTreeMap::new() }
    }

    /// One slot of one controller.
    #[must_use]
    pub fn entry(&self, lane: &Lane, slot: SlotId) -> Option<&Entry> {
        self.lanes.get(lane)?.get(slot.index())
    }

    /// Slots of a controller that a member owns.
    #[must_use]
    pub fn owned(&self, lane: &Lane, member: &MemberId) -> SlotSet {
        let column = self.lanes.get(lane).into_iter().flat_map(|column| column.iter());
        let owned = (0..).map(SlotId).zip(column).filter(|(_, entry)| entry.owner == *member);
        owned.map(|(slot, _)| slot).collect()
    }

    /// Everybody whom it names, as owner or predecessor.
    #[must_use]
    pub fn named(&self) -> BTreeSet<&MemberId> {
        self.columns().flat_map(|column| column.iter()).flat_map(Entry::members).collect()
    }

    /// Whether a member is a predecessor of any slot.
    #[must_use]
    pub fn is_pred(&self, member: &MemberId) -> bool {
        self.columns().flat_map(|column| column.iter()).any(|entry| entry.preds.contains(member))
    }

    /// Columns, those that are shared once.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Arc<Column>> {
        let mut seen: Vec<*const Column> = Vec::new();
        self.lanes.values().filter(move |column| {
            let new = !seen.contains(&Arc::as_ptr(column));
            if new {
                seen.push(Arc::as_ptr(column));
            }
            new
        })
    }

    /// The text of the annotation.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut groups: Vec<(&Arc<Column>, Vec<Lane>)> = Vec::new();
        for (lane, column) in &self.lanes {
            match groups.iter_mut().find(|(known, _)| *known == column) {
                Some((_, lanes)) => lanes.push(lane.clone()),
                None => groups.push((column, vec![lane.clone()])),
            }
        }
        let lanes = groups.into_iter().map(|(column, controllers)| EncodedLanes::new(controllers, column));
        let encoded = Encoded {
            version: TABLE_VERSION,
            generation: self.generation,
            slots: u64::from(self.slots.get()),
            key: self.key,
            lanes: lanes.collect(),
        };
        serde_json::to_string(&encoded).expect("a table has string keys and no failing serializer")
    }

    /// Reads the annotation.
    ///
    /// # Errors
    /// When it is not a table, one of a newer version, or a slot has no owner or two.
    ///
    /// # Example
    /// ```
    /// use polyreme_ownership::{KeyBy, SlotCount, Table};
    /// let table = Table::empty(SlotCount::DEFAULT, KeyBy::Name);
    /// assert_eq!(Table::decode(&table.encode())?, table);
    /// # Ok::<(), polyreme_ownership::record::DecodeError>(())
    /// ```
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let encoded: Encoded = serde_json::from_str(text)?;
        check_version(encoded.version, TABLE_VERSION)?;
        let slots = SlotCount::new(encoded.slots).map_err(|error| DecodeError::Invalid(error.to_string()))?;
        let mut table = Self { generation: encoded.generation, ..Self::empty(slots, encoded.key) };
        for group in encoded.lanes {
            let column = Arc::new(group.column(slots)?);
            let lanes = group.controllers.into_iter().map(|lane| (lane, Arc::clone(&column)));
            table.lanes.extend(lanes);
        }
        Ok(table)
    }
}

impl Entry {
    fn members(&self) -> impl Iterator<Item = &MemberId> {
        std::iter::once(&self.owner).chain(&self.preds)
    }
}

impl EncodedLanes {
    fn new(controllers: Vec<Lane>, column: &Column) -> Self {
        let mut encoded = Self { controllers, owners: BTreeMap::new(), preds: BTreeMap::new() };
        for (slot, entry) in (0..).map(SlotId).zip(column) {
            encoded.owners.entry(entry.owner.clone()).or_default().insert(slot);
            for pred in &entry.preds {
                encoded.preds.entry(pred.clone()).or_default().insert(slot);
            }
        }
        encoded
    }

    fn column(&self, slots: SlotCount) -> Result<Column, DecodeError> {
        let mut owners: Vec<Option<&MemberId>> = vec![None; usize::from(slots.get())];
        for (member, owned) in &self.owners {
            for slot in owned.iter() {
                let place = owners.get_mut(slot.index()).filter(|place| place.is_none());
                let place =
                    place.ok_or_else(|| invalid(&self.controllers, slot, "two owners, or does not exist"))?;
                *place = Some(member);
            }
        }
        let entry = |(slot, owner): (SlotId, Option<&MemberId>)| {
            let owner = owner.ok_or_else(|| invalid(&self.controllers, slot, "no owner"))?.clone();
            let preds = self.preds.iter().filter(|(_, slots)| slots.contains(slot));
            Ok(Entry { owner, preds: preds.map(|(member, _)| member.clone()).collect() })
        };
        (0..).map(SlotId).zip(owners).map(entry).collect()
    }
}

fn invalid(lanes: &[Lane], slot: SlotId, what: &str) -> DecodeError {
    let lane = lanes.first().map_or("", Lane::as_str);
    DecodeError::Invalid(format!("slot {slot} of controller {lane} has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(n: u8) -> MemberId {
        format!("polyreme-default-host-{n}-{:06x}", u32::from(n) * 77_777).into()
    }

    fn arbitrary_column() -> impl Strategy<Value = Column> {
        let entry = (0_u8..5, proptest::collection::btree_set(0_u8..5, 0..3)).prop_map(|(owner, preds)| {
            Entry { owner: member(owner), preds: preds.into_iter().map(member).collect() }
        });
        proptest::collection::vec(entry, 64)
    }

    proptest! {
        #[test]
        fn tables_survive_their_text(columns in proptest::collection::vec(arbitrary_column(), 0..4), generation: u64) {
            let mut table = Table::empty(SlotCount::new(64).unwrap(), KeyBy::Uid);
            table.generation = generation;
            for (n, column) in columns.into_iter().enumerate() {
                table.lanes.insert(format!("lane-{n}").into(), Arc::new(column));
            }
            prop_assert_eq!(Table::decode(&table.encode()).unwrap(), table);
        }
    }

    #[test]
    fn a_slot_with_two_owners_or_none_is_refused() {
        let text = |owners: &str| {
            format!(
                r#"{{"version":1,"generation":1,"slots":64,"key":"name","lanes":[{{"controllers":["w"],"owners":{owners}}}]}}"#
            )
        };
        assert!(Table::decode(&text(r#"{"a":"0-63"}"#)).is_ok());
        for bad in [r#"{"a":"0-62"}"#, r#"{"a":"0-63","b":"7"}"#, r#"{"a":"0-64"}"#] {
            assert!(matches!(Table::decode(&text(bad)), Err(DecodeError::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn equal_columns_are_written_and_kept_once() {
        let column: Column = (0..64).map(|_| Entry { owner: member(1), preds: BTreeSet::new() }).collect();
        let mut table = Table::empty(SlotCount::new(64).unwrap(), KeyBy::Name);
        for lane in ["a", "b", "c"] {
            table.lanes.insert(lane.into(), Arc::new(column.clone()));
        }
        let again = Table::decode(&table.encode()).unwrap();
        assert_eq!(again.columns().count(), 1);
        assert_eq!(table.encode().matches("owners").count(), 1);
    }
}
