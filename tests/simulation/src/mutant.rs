//! Hosts without one of the things that safety rests on, by name.

use anyhow::{Context as _, Result};
use polyreme::ownership::{Safeguard, Safeguards};
use polyreme_ownership::Rule;

/// Every host that the simulation can be run with, but the real one.
pub(crate) const MUTANTS: [(&str, Safeguards); 10] = [
    ("validity", Safeguards::without(Safeguard::Validity)),
    ("drain", Safeguards::without(Safeguard::Drain)),
    ("barrier", Safeguards::without(Safeguard::Barrier)),
    ("pin", Safeguards::without(Safeguard::Pin)),
    ("wait-before-fencing", Safeguards::without_rule(Rule::WaitBeforeFencing)),
    ("seen-generation", Safeguards::without_rule(Rule::SeenGeneration)),
    ("preds", Safeguards::without_rule(Rule::Preds)),
    ("fence-swap", Safeguards::without_rule(Rule::FenceSwap)),
    ("validity-from-send", Safeguards::without_rule(Rule::ValidityFromSend)),
    ("drift-ratio", Safeguards::without_rule(Rule::DriftRatio)),
];

/// The safeguards of a mutant; all of them for no mutant.
pub(crate) fn safeguards(mutant: Option<&str>) -> Result<Safeguards> {
    let Some(mutant) = mutant else { return Ok(Safeguards::all()) };
    let found = MUTANTS.iter().find(|(name, _)| *name == mutant);
    let names = || MUTANTS.map(|(name, _)| name).join(", ");
    found
        .map(|(_, safeguards)| *safeguards)
        .with_context(|| format!("there is no mutant {mutant}; there are {}", names()))
}
