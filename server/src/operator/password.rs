//! Passwords of the console as they are kept: a salted hash that takes its time (PBKDF2 with HMAC-SHA-256, RFC 8018 §5.2).

use std::fmt::Write as _;

use crypto::{Hash, equal};

/// Rounds of the hash for new passwords.
const ROUNDS: u32 = 100_000;
/// The most rounds that a configuration may ask for: a mistyped number must not hang a login.
const MOST_ROUNDS: u32 = 10_000_000;
/// Octets of salt.
const SALT: usize = 16;
/// What a kept password begins with.
const KIND: &str = "pbkdf2-sha256";
/// What a password that was written into the configuration as it is begins with.
const PLAIN: &str = "plain:";

/// A password as it is kept; none if the system gives no random numbers.
pub(crate) fn kept(password: &str) -> Option<String> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).ok()?;
    Some(format!("{KIND}:{ROUNDS}:{}:{}", hex(&salt), hex(&derived(password, &salt, ROUNDS))))
}

/// Whether this is the password that was kept.
pub(crate) fn fits(kept: &str, password: &str) -> bool {
    if let Some(plain) = kept.strip_prefix(PLAIN) {
        return equal(plain.as_bytes(), password.as_bytes());
    }
    let parts: Vec<&str> = kept.split(':').collect();
    let [KIND, rounds, salt, hash] = parts.as_slice() else { return false };
    let (Ok(rounds), Some(salt), Some(hash)) = (rounds.parse::<u32>(), octets(salt), octets(hash)) else {
        return false;
    };
    (1..=MOST_ROUNDS).contains(&rounds) && equal(&hash, &derived(password, &salt, rounds))
}

/// The first block of PBKDF2, as long as the hash.
fn derived(password: &str, salt: &[u8], rounds: u32) -> Vec<u8> {
    let mut block = Hash::Sha256.mac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()]);
    let mut sum = block.clone();
    for _ in 1..rounds {
        block = Hash::Sha256.mac(password.as_bytes(), &[&block]);
        sum.iter_mut().zip(&block).for_each(|(sum, octet)| *sum ^= octet);
    }
    sum
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_specification() {
        // PBKDF2-HMAC-SHA-256 of "passwd" and "salt" with one round (RFC 7914 §11).
        assert_eq!(
            hex(&derived("passwd", b"salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
    }

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let one = kept("open sesame").unwrap();
        assert!(fits(&one, "open sesame"));
        assert!(!fits(&one, "open sesam") && !fits(&one, ""));
        assert_ne!(one, kept("open sesame").unwrap());
        assert!(!one.contains("sesame"));
        assert!(fits("plain:abc", "abc") && !fits("plain:abc", "abd"));
        for odd in ["", "*", "pbkdf2-sha256:0:00:00", "pbkdf2-sha256:x:00:00", "pbkdf2-sha256:1:0:00", "md5:1:00:00"] {
            assert!(!fits(odd, ""), "{odd}");
        }
    }
}
