//! Slots of which a cache does not hold every object that its watch showed: a pure value.
//!
//! A slot without a hole is complete: whatever the list and the watch showed of it is kept. A hole
//! appears when an object is dropped, and only a list that begins afterwards closes it. So it does not
//! matter when a slot was acquired, nor how often it came and went: no hole, nothing to fetch.

use polyreme_ownership::{SlotId, SlotSet};

/// See the module's story.
#[derive(Debug)]
pub struct Holes {
    /// In every slot: nothing was listed since somebody began to look.
    everywhere: bool,
    slots: SlotSet,
    /// Those made since the relist under way began; absent when it began before anybody looked.
    relist: Option<SlotSet>,
}

impl Holes {
    /// Of somebody who begins to look at a cache that dropped nothing so far.
    #[must_use]
    pub fn none_so_far(is_listed: bool, is_relisting: bool) -> Self {
        Self {
            everywhere: !is_listed,
            slots: SlotSet::default(),
            relist: is_relisting.then(SlotSet::default),
        }
    }

    /// Of somebody who begins to look at a cache that may lack anything.
    #[must_use]
    pub fn everywhere() -> Self {
        Self { everywhere: true, slots: SlotSet::default(), relist: None }
    }

    /// An object of a slot was dropped.
    pub fn dropped(&mut self, slot: SlotId) {
        self.slots.insert(slot);
        if let Some(relist) = &mut self.relist {
            relist.insert(slot);
        }
    }

    /// Everything will be listed.
    pub fn begin_relist(&mut self) {
        self.relist = Some(SlotSet::default());
    }

    /// Everything was listed.
    pub fn end_relist(&mut self) {
        if let Some(relist) = self.relist.take() {
            self.slots = relist;
            self.everywhere = false;
        }
    }

    /// Whether a slot has a hole.
    #[must_use]
    pub fn contains(&self, slot: SlotId) -> bool {
        self.everywhere || self.slots.contains(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_that_began_later_closes_a_hole() {
        let mut holes = Holes::none_so_far(true, false);
        assert!(!holes.contains(SlotId(1)));
        holes.dropped(SlotId(1));
        holes.begin_relist();
        assert!(holes.contains(SlotId(1)), "not until the end");
        holes.dropped(SlotId(2));
        holes.end_relist();
        assert!(!holes.contains(SlotId(1)));
        assert!(holes.contains(SlotId(2)), "dropped while it was listed");
    }

    #[test]
    fn nothing_is_complete_before_a_list_that_was_seen_whole() {
        let mut late = Holes::everywhere();
        late.end_relist();
        assert!(late.contains(SlotId(7)), "the list began before");
        late.begin_relist();
        late.end_relist();
        assert!(!late.contains(SlotId(7)));
        let mut early = Holes::none_so_far(false, true);
        assert!(early.contains(SlotId(7)));
        early.end_relist();
        assert!(!early.contains(SlotId(7)));
    }
}
