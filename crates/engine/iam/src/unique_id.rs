//! Unique ids, access key ids and secrets.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>

use ids::Entropy;
use store::Digest;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    Role,
    User,
    Policy,
    /// A user's access key.
    LongTerm,
    /// A session's.
    Temporary,
}

impl Prefix {
    const fn text(self) -> &'static str {
        match self {
            Self::Role => "AROA",
            Self::User => "AIDA",
            Self::Policy => "ANPA",
            Self::LongTerm => "AKIA",
            Self::Temporary => "ASIA",
        }
    }

    /// Characters behind the prefix.
    const fn length(self) -> usize {
        match self {
            Self::Role | Self::User | Self::Policy => 17,
            Self::LongTerm | Self::Temporary => 16,
        }
    }
}

/// Draws an id.
pub(crate) fn draw(prefix: Prefix, entropy: &dyn Entropy) -> String {
    spelled(prefix, entropy.bits())
}

/// The id of what exists without having been made, such as a policy of AWS's: always the same one.
pub(crate) fn derived(prefix: Prefix, of: &str) -> String {
    let digest = Digest::of(of.as_bytes());
    let bits = digest
        .as_bytes()
        .iter()
        .take(16)
        .fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
    spelled(prefix, bits)
}

fn spelled(prefix: Prefix, bits: u128) -> String {
    let mut id = prefix.text().to_owned();
    id.extend(letters(BASE32, bits).take(prefix.length()));
    id
}

/// Draws the secret half of an access key: 40 characters.
pub(crate) fn draw_secret(entropy: &dyn Entropy) -> String {
    text(40, entropy)
}

/// Draws a session token.
pub(crate) fn draw_token(entropy: &dyn Entropy) -> String {
    format!("{}==", text(254, entropy))
}

fn text(length: usize, entropy: &dyn Entropy) -> String {
    std::iter::repeat_with(|| letters(BASE64, entropy.bits()).take(21))
        .flatten()
        .take(length)
        .collect()
}

/// The digits of `bits`, to the base that `alphabet` has letters for.
fn letters<const BASE: usize>(
    alphabet: &'static [u8; BASE],
    bits: u128,
) -> impl Iterator<Item = char> {
    let base = BASE as u128;
    std::iter::successors(Some(bits), move |rest| Some(rest / base))
        .filter_map(move |rest| alphabet.get(usize::try_from(rest % base).ok()?))
        .map(|letter| char::from(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::SeededEntropy;

    #[test]
    fn ids_have_the_form_of_aws() {
        let entropy = SeededEntropy::new(1);
        let role = draw(Prefix::Role, &entropy);
        assert!(role.starts_with("AROA") && role.len() == 21, "{role}");
        let key = draw(Prefix::LongTerm, &entropy);
        assert!(key.starts_with("AKIA") && key.len() == 20, "{key}");
        assert_ne!(role, draw(Prefix::Role, &entropy));
        assert_eq!(draw_secret(&entropy).len(), 40);
        assert_eq!(draw_token(&entropy).len(), 256);
    }

    #[test]
    fn a_derived_id_is_always_the_same() {
        let id = derived(Prefix::Policy, "AdministratorAccess");
        assert_eq!(id, derived(Prefix::Policy, "AdministratorAccess"));
        assert_ne!(id, derived(Prefix::Policy, "ReadOnlyAccess"));
        assert_eq!(id.len(), 21);
    }
}
