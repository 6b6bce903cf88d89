//! A SHA-256 digest, in the form that OCI clients print: `sha256:` and 64 hex digits.
//!
//! The only algorithm: the OCI specification lets registries offer others, but every registry
//! has this one, and a pin in another form would be one that no other tool shows.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// What comes before the hex digits.
pub(crate) const PREFIX: &str = "sha256:";

/// Bytes of a SHA-256 digest.
const BYTES: usize = 32;

/// The SHA-256 digest of some bytes.
///
/// # Example
/// ```
/// use polyreme_sources::Digest;
/// let digest = Digest::of(b"");
/// assert!(digest.to_string().starts_with("sha256:e3b0c442"));
/// assert_eq!(digest.to_string().parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; BYTES]);

impl Digest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hex digits, in lower case. Safe as a file name.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The text is not `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is sha256: and 64 hex digits in lower case")]
pub struct NoDigest;

impl FromStr for Digest {
    type Err = NoDigest;

    /// Upper case is refused, as the OCI specification asks: two spellings of one digest would be two pins.
    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let hex = text.strip_prefix(PREFIX).ok_or(NoDigest)?;
        if hex.len() != 2 * BYTES {
            return Err(NoDigest);
        }
        let mut digest = [0; BYTES];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let [high, low] = pair else { return Err(NoDigest) };
            *byte = (nibble(*high)? << 4) | nibble(*low)?;
        }
        Ok(Self(digest))
    }
}

fn nibble(digit: u8) -> Result<u8, NoDigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NoDigest),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(bytes in any::<Vec<u8>>()) {
            let digest = Digest::of(&bytes);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn no_text_is_read_as_a_digest_that_prints_otherwise(text in "(sha256:)?[0-9a-fA-F]{60,66}|\\PC*") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }

    #[test]
    fn upper_case_is_refused() {
        let text = Digest::of(b"").to_string().replace("e3b0", "E3B0");
        assert_eq!(text.parse::<Digest>(), Err(NoDigest));
    }
}
