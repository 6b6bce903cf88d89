//! Which member should own which slot: as even as possible, with as few moves as possible.
//!
//! A consistent hash ring gives each slot a preferred member, so that every process proposes the same
//! for a slot that has no owner. Levelling then bounds the load. Today's owner keeps its slots unless
//! somebody is more than [`TOLERANCE_PERCENT`] over the fair share; what moves then moves only from
//! those above their share to those below.

use std::collections::BTreeMap;

use consistent_hash_ring::{Ring, RingBuilder};

use crate::ids::MemberId;
use crate::slots::{SlotCount, SlotId, fnv1a};

/// How far over its fair share a member may be before slots move.
pub const TOLERANCE_PERCENT: u64 = 5;

/// Virtual nodes of a member of average weight: consistent_hash_ring's default of 10 leaves the fullest
/// of 3 members 1.7 times over the mean.
const VIRTUAL_NODES: u64 = 128;

/// Members and their weights.
pub type Weights = BTreeMap<MemberId, u32>;

/// What a placement may do with slots that have an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leveling {
    /// Move some when the load is uneven.
    Level,
    /// Leave them; only slots without an owner are given away.
    Keep,
}

/// The owners that `slots` should have. `current` is today's owner of each slot, where it may stay; an
/// owner that is not among `weights` keeps what it has.
///
/// Empty when there is nobody.
///
/// # Example
/// ```
/// use polyreme_ownership::placement::{Leveling, Weights, place};
/// use polyreme_ownership::SlotCount;
/// let weights: Weights = [("a".into(), 100), ("b".into(), 100)].into();
/// let owners = place(SlotCount::DEFAULT, &weights, &[], Leveling::Level);
/// assert_eq!(owners.iter().filter(|owner| owner.as_str() == "a").count(), 512);
/// ```
#[must_use]
pub fn place(
    slots: SlotCount,
    weights: &Weights,
    current: &[Option<MemberId>],
    leveling: Leveling,
) -> Vec<MemberId> {
    if weights.is_empty() {
        return Vec::new();
    }
    let mut levels = Levels::new(slots, weights, current);
    let sheds = leveling == Leveling::Level && levels.is_uneven();
    if sheds || levels.owners.contains(&None) {
        // Building the hash ring costs more than everything else, and hardly ever must anything move.
        let preferred = preferences(weights);
        if sheds {
            levels.shed(&preferred);
        }
        levels.fill(&preferred);
        // What had no owner was not enough for a member that has next to nothing.
        if leveling == Leveling::Level && levels.is_uneven() {
            levels.shed(&preferred);
            levels.fill(&preferred);
        }
    }
    levels.owners.into_iter().flatten().collect()
}

/// Everything on today's owner of slot 0, where it may stay, or else on the member that the hash ring
/// prefers for it: the placement of strategy `leader`. An owner that is not among `weights` keeps what it
/// has and is given nothing.
#[must_use]
pub fn place_leader(slots: SlotCount, weights: &Weights, current: &[Option<MemberId>]) -> Vec<MemberId> {
    let stays = current.first().cloned().flatten();
    let may_lead = stays.as_ref().is_none_or(|member| weights.contains_key(member));
    let leader = stays.filter(|_| may_lead).or_else(|| preferences(weights)(SlotId(0)));
    // Those of weight 0 are on no hash ring, and lead when nobody else can.
    let leader = leader.or_else(|| weights.keys().next().cloned());
    let Some(leader) = leader else { return Vec::new() };
    let keeps = |slot: SlotId| current.get(slot.index()).cloned().flatten().filter(|_| !may_lead);
    slots.all().map(|slot| keeps(slot).unwrap_or_else(|| leader.clone())).collect()
}

/// Placement in the making.
struct Levels<'a> {
    owners: Vec<Option<MemberId>>,
    /// Slots owned, and the fair share as slots times total weight, so that no fraction is lost.
    load: BTreeMap<MemberId, u64>,
    weights: &'a Weights,
    slots: u64,
    total_weight: u64,
}

impl<'a> Levels<'a> {
    fn new(slots: SlotCount, weights: &'a Weights, current: &[Option<MemberId>]) -> Self {
        let owners: Vec<_> = slots.all().map(|slot| current.get(slot.index()).cloned().flatten()).collect();
        let mut load: BTreeMap<MemberId, u64> = weights.keys().map(|member| (member.clone(), 0)).collect();
        for owner in owners.iter().flatten() {
            if let Some(load) = load.get_mut(owner) {
                *load += 1;
            }
        }
        let total_weight = weights.values().map(|weight| u64::from(*weight)).sum::<u64>().max(1);
        Self { owners, load, weights, slots: u64::from(slots.get()), total_weight }
    }

    fn weight(&self, member: &MemberId) -> u64 {
        self.weights.get(member).copied().map_or(0, u64::from)
    }

    /// The most that a member may own, rounded up.
    fn share(&self, member: &MemberId, percent: u64) -> u64 {
        (self.slots * self.weight(member) * percent).div_ceil(self.total_weight * 100)
    }

    /// Somebody is over the tolerance, or has less than half of its share, as a newcomer to many has.
    fn is_uneven(&self) -> bool {
        let over = |member, load| load > self.share(member, 100 + TOLERANCE_PERCENT);
        let idle = |member, load: u64| (load + 1) * 2 < self.share(member, 100);
        let owned: u64 = self.load.values().sum();
        let missing = owned == self.slots && self.load.iter().any(|(member, load)| idle(member, *load));
        missing || self.load.iter().any(|(member, load)| over(member, *load))
    }

    /// Takes what is above the fair share, first what the hash ring would have elsewhere; and what is needed
    /// for nobody to have less than the fair share rounded down.
    fn shed(&mut self, preferred: impl Fn(SlotId) -> Option<MemberId>) {
        let mut movable: Vec<(bool, SlotId)> = (0..)
            .map(SlotId)
            .zip(&self.owners)
            .filter(|(_, owner)| owner.is_some())
            .map(|(slot, owner)| (preferred(slot) == *owner, slot))
            .collect();
        movable.sort_unstable();
        let mut free = u64::try_from(self.owners.iter().filter(|owner| owner.is_none()).count()).unwrap_or(0);
        for (_, slot) in &movable {
            free += u64::from(self.take_above(*slot, Self::share_rounded_up));
        }
        let short = |(member, load): (&MemberId, &u64)| self.floor(member).saturating_sub(*load);
        let missing: u64 = self.load.iter().map(short).sum();
        for (_, slot) in &movable {
            if free < missing {
                free += u64::from(self.take_above(*slot, Self::floor));
            }
        }
    }

    /// Takes a slot from its owner if that has more than a limit.
    fn take_above(&mut self, slot: SlotId, limit: impl Fn(&Self, &MemberId) -> u64) -> bool {
        let Some(owner) = self.owners.get(slot.index()).cloned().flatten() else { return false };
        let Some(load) = self.load.get(&owner).copied().filter(|load| *load > limit(self, &owner)) else {
            return false;
        };
        self.load.insert(owner, load - 1);
        if let Some(place) = self.owners.get_mut(slot.index()) {
            *place = None;
        }
        true
    }

    fn share_rounded_up(&self, member: &MemberId) -> u64 {
        self.share(member, 100)
    }

    /// The fair share, rounded down.
    fn floor(&self, member: &MemberId) -> u64 {
        self.slots * self.weight(member) / self.total_weight
    }

    /// Gives every slot without an owner to the member that the ring prefers, while that is below its share,
    /// or else to the emptiest. Nobody is given more than its share while somebody is below.
    fn fill(&mut self, preferred: impl Fn(SlotId) -> Option<MemberId>) {
        let slots = (0..).map(SlotId).zip(&self.owners);
        let orphans: Vec<_> = slots.filter(|(_, owner)| owner.is_none()).map(|(slot, _)| slot).collect();
        for slot in orphans {
            let load = |member: &MemberId| self.load.get(member).copied().unwrap_or(0);
            let emptiest = self.emptiest();
            let all_have = emptiest.as_ref().is_none_or(|member| load(member) >= self.floor(member));
            let has_room = |member: &MemberId| {
                load(member) < if all_have { self.share(member, 100) } else { self.floor(member) }
            };
            let owner = preferred(slot).filter(has_room).or(emptiest);
            if let Some(load) = owner.as_ref().and_then(|owner| self.load.get_mut(owner)) {
                *load += 1;
            }
            if let Some(place) = self.owners.get_mut(slot.index()) {
                *place = owner;
            }
        }
    }

    /// The member that is fullest last: least load for its weight, then first by name.
    fn emptiest(&self) -> Option<MemberId> {
        let relative = |(member, load): &(&MemberId, &u64)| {
            let weight = self.weight(member);
            // Load over weight without fractions; weight 0 gets slots only when nobody else is there.
            (weight == 0, (**load * self.total_weight * 1_000).checked_div(weight).unwrap_or(**load))
        };
        self.load.iter().min_by_key(relative).map(|(member, _)| member.clone())
    }
}

/// The ring's choice for a slot. Feeds the ring fixed bytes: `Hash` of a struct may change with the
/// compiler.
fn preferences(weights: &Weights) -> impl Fn(SlotId) -> Option<MemberId> {
    let members: Vec<MemberId> = weights.keys().cloned().collect();
    let mean =
        (weights.values().map(|weight| u64::from(*weight)).sum::<u64>() / weights.len().max(1) as u64).max(1);
    let mut builder: RingBuilder<u64> = RingBuilder::default();
    let mut by_hash = BTreeMap::new();
    for (at, (member, weight)) in weights.iter().enumerate() {
        let nodes = usize::try_from(VIRTUAL_NODES * u64::from(*weight) / mean).unwrap_or(usize::MAX);
        let hash = mixed(fnv1a(member.as_str().as_bytes()));
        by_hash.insert(hash, at);
        if *weight > 0 {
            builder = builder.weighted_node(hash, nodes.clamp(1, 4_096));
        }
    }
    let ring: Ring<u64> = builder.build();
    move |slot| {
        if ring.is_empty() {
            return None;
        }
        let hash = ring.get(mixed(u64::from(slot.0)));
        by_hash.get(hash).and_then(|at| members.get(*at)).cloned()
    }
}

/// Spreads the bits of small numbers and of hashes of similar names (the finalizer of SplitMix64).
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights(members: &[(u32, u32)]) -> Weights {
        members.iter().map(|(n, weight)| (format!("host-{n}").into(), *weight)).collect()
    }

    fn equal(members: u32) -> Weights {
        weights(&(0..members).map(|n| (n, 100)).collect::<Vec<_>>())
    }

    fn loads(owners: &[MemberId]) -> BTreeMap<&MemberId, u64> {
        let mut loads = BTreeMap::new();
        owners.iter().for_each(|owner| *loads.entry(owner).or_default() += 1);
        loads
    }

    fn level(slots: SlotCount, weights: &Weights, current: &[Option<MemberId>]) -> Vec<MemberId> {
        place(slots, weights, current, Leveling::Level)
    }

    fn moved(before: &[MemberId], after: &[MemberId]) -> usize {
        before.iter().zip(after).filter(|(a, b)| a != b).count()
    }

    /// Today's owners, as far as they are still there.
    fn stays(owners: &[MemberId], weights: &Weights) -> Vec<Option<MemberId>> {
        owners.iter().map(|owner| weights.contains_key(owner).then(|| owner.clone())).collect()
    }

    #[test]
    fn equal_members_own_equal_shares() {
        for members in 1..=100 {
            let owners = level(SlotCount::DEFAULT, &equal(members), &[]);
            let most = loads(&owners).into_values().max().unwrap();
            assert_eq!(most, 1_024_u64.div_ceil(u64::from(members)), "{members} members");
        }
    }

    #[test]
    fn a_join_moves_the_newcomers_share_and_nothing_else() {
        for members in 1..=20 {
            let before = level(SlotCount::DEFAULT, &equal(members), &[]);
            let after = level(SlotCount::DEFAULT, &equal(members + 1), &stays(&before, &equal(members)));
            let newcomer = MemberId::from(format!("host-{members}"));
            let gained = after.iter().filter(|owner| **owner == newcomer).count();
            assert_eq!(moved(&before, &after), gained, "{members} members");
            assert!(gained <= 1_024_usize.div_ceil(members as usize + 1));
        }
    }

    #[test]
    fn the_hundredth_member_is_given_its_share_as_well() {
        let mut owners = level(SlotCount::DEFAULT, &equal(1), &[]);
        for members in 2..=100 {
            owners = level(SlotCount::DEFAULT, &equal(members), &stays(&owners, &equal(members)));
            let newcomer = MemberId::from(format!("host-{}", members - 1));
            let gained = owners.iter().filter(|owner| **owner == newcomer).count();
            assert!(gained >= 1_024 / members as usize, "{gained} for number {members}");
        }
    }

    #[test]
    fn a_leave_moves_only_the_leavers_slots() {
        let before = level(SlotCount::DEFAULT, &equal(5), &[]);
        let mut rest = equal(5);
        rest.remove("host-2");
        let after = level(SlotCount::DEFAULT, &rest, &stays(&before, &rest));
        let owned = before.iter().filter(|owner| owner.as_str() == "host-2").count();
        assert_eq!(moved(&before, &after), owned);
    }

    #[test]
    fn a_leavers_slots_go_to_a_successor_that_has_none_yet() {
        let before = level(SlotCount::DEFAULT, &equal(4), &[]);
        let mut rest = equal(4);
        rest.remove("host-1");
        rest.insert("successor".into(), 100);
        let after = level(SlotCount::DEFAULT, &rest, &stays(&before, &rest));
        let expected: Vec<_> = before
            .iter()
            .map(|owner| if owner.as_str() == "host-1" { MemberId::from("successor") } else { owner.clone() })
            .collect();
        assert_eq!(moved(&expected, &after), 0);
    }

    #[test]
    fn a_newcomer_gets_its_share_also_when_a_leaver_had_less_to_leave() {
        let before = level(SlotCount::DEFAULT, &weights(&[(0, 490), (1, 5)]), &[]);
        let after = weights(&[(0, 480), (2, 20)]);
        let owners = level(SlotCount::DEFAULT, &after, &stays(&before, &after));
        let newcomer = owners.iter().filter(|owner| owner.as_str() == "host-2").count();
        assert!(newcomer >= 40, "{newcomer} of 1,024 for 20 of 500");
        assert_eq!(level(SlotCount::DEFAULT, &after, &stays(&owners, &after)), owners);
    }

    #[test]
    fn nobody_gets_nothing() {
        assert!(level(SlotCount::DEFAULT, &Weights::new(), &[]).is_empty());
        assert!(place_leader(SlotCount::DEFAULT, &Weights::new(), &[]).is_empty());
    }

    #[test]
    fn members_of_weight_zero_serve_only_when_nobody_else_does() {
        let owners = level(SlotCount::DEFAULT, &weights(&[(0, 0), (1, 100)]), &[]);
        assert!(owners.iter().all(|owner| owner.as_str() == "host-1"));
        let owners = level(SlotCount::DEFAULT, &weights(&[(0, 0)]), &[]);
        assert_eq!(owners.len(), 1_024);
    }

    #[test]
    fn a_standby_of_weight_zero_leads_when_nobody_else_can() {
        let slots = SlotCount::new(64).unwrap();
        let first = place_leader(slots, &weights(&[(0, 100), (1, 0)]), &[]);
        assert!(first.iter().all(|owner| owner.as_str() == "host-0"));
        let alone = weights(&[(1, 0), (2, 0)]);
        let next = place_leader(slots, &alone, &stays(&first, &alone));
        assert_eq!(next.len(), 64);
        assert!(next.iter().all(|owner| owner.as_str() == "host-1"));
    }

    #[test]
    fn a_leader_stays_while_it_lives() {
        let slots = SlotCount::new(64).unwrap();
        let first = place_leader(slots, &equal(3), &[]);
        let leader = first.first().unwrap().clone();
        assert!(first.iter().all(|owner| *owner == leader));
        assert_eq!(place_leader(slots, &equal(9), &stays(&first, &equal(9))), first);
        let mut rest = equal(3);
        rest.remove(&leader);
        assert_ne!(place_leader(slots, &rest, &stays(&first, &rest)).first(), Some(&leader));
    }

    proptest! {
        #[test]
        fn nobody_is_over_the_tolerance_and_everything_is_owned(
            before in proptest::collection::btree_map(0_u32..30, 1_u32..500, 1..12),
            after in proptest::collection::btree_map(0_u32..30, 1_u32..500, 1..12),
        ) {
            let slots = SlotCount::DEFAULT;
            let (before, after): (Vec<_>, Vec<_>) = (before.into_iter().collect(), after.into_iter().collect());
            let (first, weights) = (level(slots, &weights(&before), &[]), weights(&after));
            let second = level(slots, &weights, &stays(&first, &weights));
            let total: u64 = weights.values().map(|w| u64::from(*w)).sum();
            prop_assert_eq!(second.len(), 1_024);
            for (member, load) in loads(&second) {
                let allowed = (1_024 * u64::from(weights[member]) * (100 + TOLERANCE_PERCENT)).div_ceil(total * 100);
                prop_assert!(load <= allowed, "{member}: {load} > {allowed}");
            }
            prop_assert_eq!(level(slots, &weights, &stays(&second, &weights)), second, "settled is settled");
        }
    }
}
