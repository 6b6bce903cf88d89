//! What a user of a host sees, from the outside: sites become Ready, mistakes are repaired,
//! crashes and restarts lose nothing, bad input is named.
//!
//! Every scenario runs against both API servers. Each runs a host, which acts on every
//! namespace, so each has the server alone.

mod configurations;
mod hello;
mod hostile;
mod modules;
mod ownership;
mod ownership_figures;
mod reload;
mod restarts;
mod rights;
mod scaffolds;
mod scale;
mod sdk_cases;
mod sources;
mod vm;
mod webhosting;
