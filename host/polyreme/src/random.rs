//! Random bytes for guests, from the operating system.
//!
//! The system's generator and not one of our own: guests may make secrets from it, and a
//! call costs less than a microsecond.

/// The randomness that guests see.
///
/// # Example
///
/// ```
/// use polyreme::random::HostRandom;
/// use polyreme_runtime::Random;
/// assert_eq!(HostRandom.bytes(16).len(), 16);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HostRandom;

impl polyreme_runtime::Random for HostRandom {
    fn bytes(&self, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        fill(&mut bytes);
        bytes
    }

    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// A machine without randomness cannot make TLS connections either, so that a host would
/// never have got this far.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system's random generator works once it has worked");
}
